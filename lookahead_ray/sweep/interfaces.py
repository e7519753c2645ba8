"""The interfaces of a sweep: an observer that receives its events, and a sink for its records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import Role, TrialRecord

__all__ = ["Observer", "Sink", "TrialProgress"]


class Observer(Protocol):
    """An observer of a sweep; the driver's thread calls its methods in order; each must return at once."""

    def sweep_started(
        self, sweep_id: str, run: str, trials: int, committed: Sequence[TrialRecord], log: str
    ) -> None:
        """Note the start; `trials` counts all, with references and earlier `committed`; `log` is a path."""

    def budget(self, text: str) -> None:
        """Note how much of the budget is used, and why the search ended once it has."""

    def trial_started(self, trial_id: str, role: Role, label: str) -> None:
        """Note a trial's start; `label` describes its configuration briefly, e.g. "true, 6 tokens"."""

    def trial_restarted(self, trial_id: str, restarts: int, most: int) -> None:
        """Note that a process of a trial died and the trial restarts: restart `restarts` of `most`."""

    def trial_set_aside(self, trial_id: str, error: str, attempts: int, most: int) -> None:
        """Note a failure through the infrastructure: of attempt `attempts` of `most`; it runs again later."""

    def trial_progress(self, trial_id: str, progress: TrialProgress) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None:
        """Note a finished trial; called after the commit, with the objective if the record has one.

        Called for each point of a training, the first one first.
        """

    def sweep_finished(self, interrupted: bool) -> None: ...


@dataclass(frozen=True)
class Sink:
    """A run's store, opened and locked by the caller of the sweep."""

    run: str  # path or URL
    sweep_id: str
    committed: Sequence[TrialRecord]  # in the order of their commits; records without texts suffice
    commit: Callable[..., None]
    """Commits a trial; the points of a training are committed together, as several arguments."""
    load: Callable[[str], TrialRecord]
    """Returns a committed trial with its texts, by its id."""
    complete: Callable[[TrialRecord], None]
    """Replaces a committed trial's record by one with the verdicts or scores that it lacked."""
    keep: Callable[[str, bytes], None]
    """Writes a file next to the tables, for a run at a URL; raises `StoreError`."""
