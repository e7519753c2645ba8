"""Where a sweep's records go: what the store gives, as the driver needs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lookahead_ray.trial.record import TrialRecord


@dataclass(frozen=True)
class Sink:
    """A run's store, opened and locked by whoever starts the sweep."""

    run: str  # path or URL
    sweep_id: str
    committed: Sequence[TrialRecord]  # in the order of their commits, slim ones will do
    commit: Callable[[TrialRecord], None]
