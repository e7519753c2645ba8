"""What a sweep needs from outside: an observer that it tells what happens, and a sink for its records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import Role, TrialRecord

__all__ = ["Observer", "Sink", "TrialProgress"]


class Observer(Protocol):
    """Called from the driver's thread, in order; must return at once."""

    def sweep_started(
        self, sweep_id: str, run: str, trials: int, committed: Sequence[TrialRecord], log: str
    ) -> None:
        """`trials` counts all, references and `committed` ones (from before) included; `log` is a path."""

    def budget(self, text: str) -> None:
        """What of the budget is used, and why the search ended once it has."""

    def trial_started(self, trial_id: str, role: Role, label: str) -> None:
        """`label` says in a few words what the trial tries, e.g. "true, 6 tokens"."""

    def trial_restarted(self, trial_id: str, restarts: int, most: int) -> None:
        """A process of a running trial died and the trial goes on, for the `restarts`th of `most` times."""

    def trial_progress(self, trial_id: str, progress: TrialProgress) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None:
        """Called after the record is committed, its objective filled in where it has one."""

    def sweep_finished(self, interrupted: bool) -> None: ...


@dataclass(frozen=True)
class Sink:
    """A run's store, opened and locked by whoever starts the sweep."""

    run: str  # path or URL
    sweep_id: str
    committed: Sequence[TrialRecord]  # in the order of their commits, slim ones will do
    commit: Callable[[TrialRecord], None]
