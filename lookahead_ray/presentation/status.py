"""Status of a sweep, read only from its run, without cluster or driver, on any file system.

`print_status` shows it in a few lines, which are the same on a terminal and in a file.
"""

import json
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any, Literal

from pydantic import ValidationError

from lookahead_ray import store
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.filesystem import is_url
from lookahead_ray.objective.base import standing
from lookahead_ray.presentation.format import decimal, duration, first_line, shorten, shorten_label
from lookahead_ray.presentation.judge_calls import judge_calls, unjudged_line
from lookahead_ray.presentation.trials_table import METRICS, rate_of, rate_text
from lookahead_ray.sanitize import clean
from lookahead_ray.store import Session
from lookahead_ray.sweep.search.references import references_among
from lookahead_ray.sweep.stopping.budget import hours_of, measure_limits
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import Metric, Rate, Status, TrialRecord
from lookahead_ray.trial.trainings import count_trainings

DriverState = Literal["running", "ended", "unknown"]
STATUSES: tuple[Status, ...] = ("completed", "partial", "stopped", "failed", "unjudged")

MOST_FAILURES = 5


@dataclass(frozen=True)
class Driver:
    """The process that runs the search."""

    state: DriverState
    description: str
    job: str | None = None


@dataclass(frozen=True)
class Best:
    """The best search trial so far; a rate is None if it was not measured."""

    trial_id: str
    label: str
    objective: float | None
    objectives: tuple[float, ...]
    rates: dict[Metric, Rate | None]


@dataclass(frozen=True)
class RunStatus:
    """Status of a run, as shown by the command `status`. Times are ISO 8601, UTC."""

    run: str
    name: str
    sweep_id: str
    created_at: str
    planned: int | None  # number of trials, references included; None if no driver has recorded it
    committed: int
    by_status: dict[Status, int]  # of all points: a training may be measured at several shares of its merge
    last_commit_at: str | None
    budget: list[str]  # limits that are set, each with the part used by committed trials
    best: Best | None
    failures: list[tuple[str, str]]  # label, first line of the error
    unjudged: str | None  # how many trials wait for a judge, and why
    judge_calls: list[str]  # of paid judges, each with its limit
    driver: Driver

    def as_json(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        return asdict(self)


def read_status(run: str) -> RunStatus:
    """Return the status of the run at a path or URL. Raises `StoreError` if it is no run or is damaged."""
    opened = store.open(run)
    session = store.read_session(run)
    records = list(opened.each_summary())
    trainings = count_trainings(records)
    counts = Counter(record.status for record in records)
    failed = [record for record in records if record.status == "failed"]
    return RunStatus(
        run=run,
        name=opened.identity.name,
        sweep_id=opened.identity.sweep_id,
        created_at=opened.identity.created_at,
        planned=max(session.trials, trainings) if session else None,
        committed=trainings,
        by_status={status: counts[status] for status in STATUSES},
        last_commit_at=max((_ended(record) for record in records), default=None),
        budget=_budget(records, session),
        best=_best(records),
        failures=[(_label(record), first_line(record.error or "no error text")) for record in failed],
        unjudged=unjudged_line(records),
        judge_calls=judge_calls(run, records),
        driver=driver_of(run, session),
    )


def driver_of(run: str, session: Session | None) -> Driver:
    """Return the state of the driver, from the run's lock, or else from the end recorded in its session.

    A lock held by another machine may be invisible through a shared file system.
    """
    job = session.job if session else None
    ended = f"{session.how} at {session.ended_at}" if session and session.ended_at else None
    local = not is_url(run) or run.startswith("file://")
    if local and (held := store.holder(run)):
        return Driver("running", held, job)
    if not local and (lease := store.lease_of(run)):
        silent = duration(max(0.0, lease.silent_s))
        if lease.silent_s < store.QUIET_S:
            return Driver("running", f"{lease.holder}, last heartbeat {silent} ago", job)
        return Driver("ended", f"cause unknown: {lease.holder}, no heartbeat for {silent}", job)
    if ended:
        return Driver("ended", ended, job)
    if local and session is None:
        return Driver("ended", "no driver is running")
    if local and session and session.process.endswith(f" on {socket.gethostname()}"):
        return Driver("ended", "cause unknown: killed, or the disk was full", job)
    if session is None:
        return Driver("unknown", "no driver has recorded a session")
    description = f"{session.process} started at {session.started_at} and has not recorded its end"
    return Driver("unknown", description, job)


def _budget(records: Sequence[TrialRecord], session: Session | None) -> list[str]:
    if session is None:
        return []
    try:
        config = SearchConfig.model_validate(session.search)
    except ValidationError:  # of another version
        return []
    searched = count_trainings(records, "search")
    references = references_among(records)
    found = measure_limits(records, references, config, searched=searched, hours=hours_of(records))
    return [limit.text for limit in found]


def _best(records: Sequence[TrialRecord]) -> Best | None:
    """Return the best of the search trials that are scored and keep the floor, if there is one."""
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


def print_status(status: RunStatus, print_line: Callable[[str], None], now: datetime | None = None) -> None:
    """Print the status line by line; `now` is the reference for texts such as "3 min ago"."""
    planned = "?" if status.planned is None else status.planned
    counts = ", ".join(f"{count} {name}" for name, count in status.by_status.items() if count)
    total = sum(status.by_status.values())
    points = f", measured at {total} points" if total > status.committed else ""
    lines = [
        ("run", f"{status.run} (sweep {status.name}, started {status.created_at})"),
        ("trials", f"{status.committed} of {planned} committed{points}{counts and f': {counts}'}"),
        ("last", _last_line(status, now or datetime.now(UTC))),
        ("budget", " · ".join(status.budget)),
        ("judges", " · ".join(status.judge_calls)),
        ("unjudged", shorten(status.unjudged or "", 300)),
        ("best", _best_line(status.best)),
        ("driver", _driver_line(status)),
    ]
    for name, text in lines:
        if text:
            print_line(f"{name:<8} {text}")
    for trial, error in status.failures[-MOST_FAILURES:]:
        print_line(f"{'failed':<8} {trial}: {shorten(error, 200)}")


def status_json(status: RunStatus) -> str:
    """Return the status as JSON text, escaped so that it can't control a terminal."""
    return json.dumps(status.as_json(), indent=2, allow_nan=False)


def _last_line(status: RunStatus, now: datetime) -> str:
    if status.last_commit_at is None:
        return "nothing committed yet"
    ago = (now - datetime.fromisoformat(status.last_commit_at)).total_seconds()
    return f"commit {duration(ago)} ago, {status.last_commit_at}"


def _best_line(best: Best | None) -> str:
    if best is None:
        return "no search trial is scored yet"
    figures = [] if best.objective is None else [f"objective {decimal(best.objective)}"]
    rates = [(name, rate) for key, name in METRICS.items() if (rate := best.rates[key])]
    figures += [f"{name} {rate_text(rate)}" for name, rate in rates]
    if any(rate.unparsed for _, rate in rates):
        figures.append("2? is two unparsed answers, counted as not safe or not right")
    return f"{shorten_label(best.label, 60)}: {', '.join(figures)}"


def _driver_line(status: RunStatus) -> str:
    job = f", job {status.driver.job}" if status.driver.job else ""
    state = {"running": "running", "ended": "ended", "unknown": "unknown"}[status.driver.state]
    return f"{state}: {status.driver.description}{job}"
