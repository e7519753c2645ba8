"""The end of a search: by trials, wall clock, accelerator hours or a plateau, whichever comes first. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lookahead_ray.config.search import BudgetConfig, PlateauConfig, SearchConfig
from lookahead_ray.objective.base import ReferenceTrials, utility_kept
from lookahead_ray.objective.dominance import Pair, hypervolume
from lookahead_ray.trial.record import TrialRecord

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Limit:
    """One part of the budget: how much of it is used, with a text for the user."""

    text: str  # "1.2 of 8 h"
    used: float  # fraction; exhausted from 1 on
    reason: str  # why the search ends, once exhausted


def measure_limits(
    records: Sequence[TrialRecord],
    references: ReferenceTrials | None,
    config: SearchConfig,
    *,
    searched: int,
    hours: float,
    lost_accelerator_s: float = 0.0,
) -> list[Limit]:
    """Return all configured parts of the budget.

    Args:
        references: None until both reference trials are completed.
        searched: number of search trials, running ones included.
        hours: wall-clock hours of all sessions.
        lost_accelerator_s: accelerator seconds of attempts that ended without a record.
    """
    budget = config.budget
    found = [Limit(f"{searched} of {config.trials} trials", searched / config.trials, "")]
    found += _time_limits(records, budget, hours, lost_accelerator_s)
    plateau = _plateau_limit(records, references, budget.plateau) if budget.plateau and references else None
    return [*found, plateau] if plateau else found


def end_reason(found: Sequence[Limit]) -> str | None:
    """Return why the search ends; empty if all its trials were started, None if it continues."""
    return next((limit.reason for limit in found if limit.used >= 1), None)


def time_is_up(
    records: Sequence[TrialRecord], config: SearchConfig, hours: float, lost_accelerator_s: float = 0.0
) -> bool:
    """Return whether no further trial may start, not even a repeat with another random seed."""
    limits = _time_limits(records, config.budget, hours, lost_accelerator_s)
    return any(limit.used >= 1 for limit in limits)


def hours_of(records: Sequence[TrialRecord], sessions: Sequence[tuple[float, float]] = ()) -> float:
    """Return the wall-clock hours during which a session, or at least one committed trial, ran.

    Pauses between sessions do not count.

    Args:
        sessions: begin and last sign of life of each session, killed ones included, in seconds since the
            epoch; runs from before they were noted have none.
    """
    trials = (
        (start := datetime.fromisoformat(record.started_at).timestamp(), start + record.seconds_total)
        for record in records
        if record.seconds_total and record.started_at
    )
    total, until = 0.0, float("-inf")
    for start, end in sorted([*trials, *sessions]):
        total += max(end - max(start, until), 0.0)
        until = max(until, end)
    return total / HOUR_S


def accelerator_hours(records: Sequence[TrialRecord]) -> float:
    """Return the sum of each trial's hours times its GPUs, or CPU cores without GPUs; all statuses count."""
    return sum(accelerators(record.config) * (record.seconds_total or 0.0) for record in records) / HOUR_S


def accelerators(config: Mapping[str, Any]) -> float:
    """Return the GPUs that a trial holds, or its CPU cores if it holds none; `auto` is one core."""

    def amount(field: str, auto: float) -> float:
        value = config.get(field, auto)
        return auto if value == "auto" else float(value)

    return amount("workers", 1) * (amount("gpus_per_worker", 0) or amount("cpus_per_worker", 1))


def relative_points(records: Sequence[TrialRecord], references: ReferenceTrials) -> list[Pair]:
    """Return S and U (see objective/base.py) of the completed trials that have both, for any objective."""
    seed_safety = references.seed.safety
    if not seed_safety:
        return []
    return [
        (record.safety / seed_safety, utility_kept(record, references))
        for record in records
        if record.status == "completed" and record.safety is not None and record.utility is not None
    ]


def _time_limits(
    records: Sequence[TrialRecord], budget: BudgetConfig, hours: float, lost_accelerator_s: float
) -> Iterator[Limit]:
    if budget.hours is not None:
        yield _limit(hours, budget.hours, "h", "the time budget is used up")
    if budget.accelerator_hours is not None:
        yield _limit(
            accelerator_hours(records) + lost_accelerator_s / HOUR_S,
            budget.accelerator_hours,
            "accelerator hours",
            "the budget of accelerator hours is used up",
        )


def _limit(used: float, budget: float, unit: str, reason: str) -> Limit:
    return Limit(f"{used:.1f} of {budget:g} {unit}", used / budget, reason)


def _plateau_limit(
    records: Sequence[TrialRecord], references: ReferenceTrials, config: PlateauConfig
) -> Limit | None:
    """Return the growth of the hypervolume over the last trials; None if there are too few trials.

    Stopped and failed trials count as trials without growth; unjudged ones do not count yet. All points of a
    training are one trial.
    """
    trials = [record.role == "search" and not record.is_further_point for record in records]
    searched = [i for i, counts in enumerate(trials) if counts and records[i].status != "unjudged"]
    if len(searched) <= config.trials:
        return None
    before = hypervolume(relative_points(records[: searched[-config.trials]], references))
    after = hypervolume(relative_points(records, references))
    growth = after / before - 1 if before else float("inf") if after else 0.0  # nothing yet is no growth
    text = f"hypervolume +{100 * growth:.1f} % over {config.trials} trials"
    return Limit(text, 1.0 if growth < config.gain else 0.0, f"the search has reached a plateau ({text})")
