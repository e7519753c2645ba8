"""What a fault did to the rows and processes of a sweep, as four numbers that must be zero."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from lookahead_ray import store
from lookahead_ray.store.schemas import TABLES, TableName
from lookahead_ray.trial.record import TrialRecord

KEYS: dict[TableName, tuple[str, ...]] = {
    "trials": ("trial_id",),
    "steps": ("trial_id", "step"),
    "signals": ("trial_id", "epoch"),
    "generations": ("trial_id", "metric", "suite", "attack", "prompt_id", "judge"),
    "token_kl": ("trial_id", "suite", "prompt_id", "position"),
}
"""Columns that identify a row within a table."""


@dataclass(frozen=True)
class Counts:
    """The effects of a fault once the sweep has been completed."""

    lost: int  # rows committed before the fault that are missing
    doubled: int  # rows that are there more than once
    orphans: int  # processes that outlive the sweep
    judged: int  # trials whose result is not that of an undisturbed sweep

    @property
    def all_zero(self) -> bool:
        """Return whether the fault had no effect."""
        return not any(astuple(self))


Row = tuple[Any, ...]


def committed_rows(run: str) -> Counter[Row]:
    """Return how often each row's key is in the committed tables of a run."""
    opened = store.open(run)
    found: Counter[Row] = Counter()
    for table in TABLES:
        keys = opened.table(table).select(KEYS[table]).to_pylist()
        found.update((table, *(row[name] for name in KEYS[table])) for row in keys)
    return found


def lost_rows(before: Counter[Row], after: Counter[Row]) -> int:
    """Return how many of the rows `before` are missing afterwards."""
    return (before - after).total()


def doubled_rows(rows: Counter[Row]) -> int:
    """Return how many rows are there in addition to the first of each key."""
    return sum(count - 1 for count in rows.values())


def different_trials(found: Mapping[str, TrialRecord], expected: Mapping[str, TrialRecord]) -> set[str]:
    """Return the ids of trials that differ between two sweeps, or that only one of them has."""
    return {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
