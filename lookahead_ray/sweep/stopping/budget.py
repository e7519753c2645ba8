"""The end of a search: by trials, wall clock, accelerator hours or a plateau, whichever comes first. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lookahead_ray.config.search import BudgetConfig, PlateauConfig, SearchConfig
from lookahead_ray.objective.base import ReferenceTrials, utility_kept
from lookahead_ray.objective.pareto import Pair, hypervolume
from lookahead_ray.trial.record import TrialRecord

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Limit:
    """One part of the budget: how much of it is used, with a text for the user."""

    text: str  # "1.2 of 8 h"
    used: float  # fraction; exhausted from 1 on
    reason: str  # why the search ends, once exhausted


def limits(
    records: Sequence[TrialRecord],
    references: ReferenceTrials | None,
    config: SearchConfig,
    *,
    searched: int,
    hours: float,
) -> list[Limit]:
    """Return all configured parts of the budget; `searched` includes running trials, `hours` all sessions."""
    budget = config.budget
    found = [Limit(f"{searched} of {config.trials} trials", searched / config.trials, "")]
    found += _times(records, budget, hours)
    if budget.plateau and references:
        found += _plateau(records, references, budget.plateau)
    return found


def ended(found: Sequence[Limit]) -> str | None:
    """Return why the search ends, empty if all its trials have been made; None if it continues."""
    return next((limit.reason for limit in found if limit.used >= 1), None)


def time_is_up(records: Sequence[TrialRecord], config: SearchConfig, hours: float) -> bool:
    """Return whether nothing may be run any more, including repeats with other random seeds."""
    return any(limit.used >= 1 for limit in _times(records, config.budget, hours))


def hours_of(records: Sequence[TrialRecord]) -> float:
    """Return the wall-clock hours in which any trial of earlier sessions ran.

    Pauses between sessions don't count, nor do trials that a killed session had not committed.
    """
    spans = sorted(
        (start := datetime.fromisoformat(record.started_at).timestamp(), start + record.seconds_total)
        for record in records
        if record.seconds_total and record.started_at
    )
    total, until = 0.0, float("-inf")
    for start, end in spans:
        total += max(end - max(start, until), 0.0)
        until = max(until, end)
    return total / HOUR_S


def accelerator_hours(records: Sequence[TrialRecord]) -> float:
    """Return the hours of all trials, failed and stopped ones too, times their GPUs, or else CPU cores."""
    return sum(_held(record) * (record.seconds_total or 0.0) for record in records) / HOUR_S


def plane(records: Sequence[TrialRecord], references: ReferenceTrials) -> list[Pair]:
    """Return S and U (see objective/base.py) of the completed trials that have both, for any objective."""
    seed_safety = references.seed.safety
    if not seed_safety:
        return []
    return [
        (record.safety / seed_safety, utility_kept(record, references))
        for record in records
        if record.status == "completed" and record.safety is not None and record.utility is not None
    ]


def _times(records: Sequence[TrialRecord], budget: BudgetConfig, hours: float) -> Iterator[Limit]:
    if budget.hours is not None:
        yield _used(hours, budget.hours, "h", "the time is used up")
    if budget.accelerator_hours is not None:
        yield _used(
            accelerator_hours(records),
            budget.accelerator_hours,
            "accelerator hours",
            "the accelerator hours are used up",
        )


def _used(used: float, most: float, unit: str, reason: str) -> Limit:
    return Limit(f"{used:.1f} of {most:g} {unit}", used / most, reason)


def _plateau(
    records: Sequence[TrialRecord], references: ReferenceTrials, config: PlateauConfig
) -> Iterator[Limit]:
    """Yield the growth of the hypervolume over the last trials, including stopped and failed ones."""
    searched = [index for index, record in enumerate(records) if record.role == "search"]
    if len(searched) <= config.trials:
        return
    before = hypervolume(plane(records[: searched[-config.trials]], references))
    growth = hypervolume(plane(records, references)) / before - 1 if before else float("inf")
    text = f"hypervolume +{100 * growth:.1f} % over {config.trials} trials"
    flat = growth < config.gain
    yield Limit(text, 1.0 if flat else 0.0, f"no gain any more ({text})")


def _held(record: TrialRecord) -> float:
    config = record.config
    each = config.get("gpus_per_worker") or config.get("cpus_per_worker", 1.0)
    return float(config.get("workers", 1) * each)
