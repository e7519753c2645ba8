"""Where a sweep is, read from its run alone: no cluster, no driver, on any file system."""

import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any, Literal

from lookahead_ray import store
from lookahead_ray.cli.notes import METRICS, rate_of
from lookahead_ray.cli.text import duration, first_line
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.remote import is_url
from lookahead_ray.store import Session
from lookahead_ray.sweep.budget import hours_of, limits
from lookahead_ray.sweep.references import references_among
from lookahead_ray.text import clean
from lookahead_ray.trial.label import label
from lookahead_ray.trial.objective import standing
from lookahead_ray.trial.record import Metric, Rate, Status, TrialRecord

DriverState = Literal["running", "ended", "unknown"]
STATUSES: tuple[Status, ...] = ("completed", "stopped", "failed")


@dataclass(frozen=True)
class Driver:
    """The process that searches."""

    state: DriverState
    told: str  # in words
    job: str | None = None


@dataclass(frozen=True)
class Best:
    """The best searched trial so far; rates are None where they were not measured."""

    trial_id: str
    label: str
    objective: float | None
    objectives: tuple[float, ...]
    rates: dict[Metric, Rate | None]


@dataclass(frozen=True)
class RunStatus:
    """What `status` shows. Times are ISO 8601, UTC."""

    run: str
    name: str
    sweep_id: str
    created_at: str
    asked: int | None  # trials, references included; None where no driver has said it
    committed: int
    by_status: dict[Status, int]
    last_commit_at: str | None
    budget: list[str]  # parts that are set, with what of them is used by committed trials
    best: Best | None
    failures: list[tuple[str, str]]  # label, first line of the error
    driver: Driver

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def read_status(run: str) -> RunStatus:
    """The status of the run in `run`, a path or an fsspec URL. `StoreError` if it is none or is damaged."""
    opened = store.open(run)
    session = store.read_session(run)
    records = list(opened.each_summary())
    counts = Counter(record.status for record in records)
    failed = [record for record in records if record.status == "failed"]
    return RunStatus(
        run=run,
        name=opened.identity.name,
        sweep_id=opened.identity.sweep_id,
        created_at=opened.identity.created_at,
        asked=max(session.trials, len(records)) if session else None,
        committed=len(records),
        by_status={status: counts[status] for status in STATUSES},
        last_commit_at=max((_ended(record) for record in records), default=None),
        budget=_budget(records, session),
        best=_best(records),
        failures=[(_label(record), first_line(record.error or "no error text")) for record in failed],
        driver=driver_of(run, session),
    )


def driver_of(run: str, session: Session | None) -> Driver:
    """Whether a driver runs: by the lock of the run, else as far as its session says it ended.

    A lock that another machine holds may not be seen through a shared file system.
    """
    job = session.job if session else None
    ended = f"{session.how} at {session.ended_at}" if session and session.ended_at else None
    local = not is_url(run) or run.startswith("file://")
    if local and (held := store.holder(run)):
        return Driver("running", held, job)
    if not local and (lease := store.lease_of(run)):
        silent = duration(max(0.0, lease.silent_s))
        if lease.silent_s < store.QUIET_S:
            return Driver("running", f"{lease.holder}, heard of {silent} ago", job)
        return Driver("ended", f"without saying how: {lease.holder}, not heard of for {silent}", job)
    if ended:
        return Driver("ended", ended, job)
    if local and session is None:
        return Driver("ended", "none runs")
    if local and session and session.process.endswith(f" on {socket.gethostname()}"):
        return Driver("ended", "without saying how: killed, or on a full disk", job)
    if session is None:
        return Driver("unknown", "none has said that it runs")
    told = f"{session.process} began at {session.started_at} and has not said that it ended"
    return Driver("unknown", told, job)


def _budget(records: Sequence[TrialRecord], session: Session | None) -> list[str]:
    if session is None:
        return []
    config = SearchConfig.model_validate(session.search)
    searched = sum(record.role == "search" for record in records)
    found = limits(records, references_among(records), config, searched=searched, hours=hours_of(records))
    return [limit.text for limit in found]


def _best(records: Sequence[TrialRecord]) -> Best | None:
    """Of those that are scored and keep the floor if there is one."""
    good = [record for record in records if record.role == "search" and standing(record)[0] == 0]
    best = min(good, key=standing, default=None)
    if best is None:
        return None
    measured = {name: rate_of(best, name) for name in METRICS}
    rates = {name: rate if rate and not isnan(rate.value) else None for name, rate in measured.items()}
    return Best(best.trial_id, _label(best), best.objective, best.objectives, rates)


def _ended(record: TrialRecord) -> str:
    took = timedelta(seconds=record.seconds_total or 0)
    return (datetime.fromisoformat(record.started_at) + took).astimezone(UTC).isoformat(timespec="seconds")


def _label(record: TrialRecord) -> str:
    return clean(label(record.config, record.role, record.params))
