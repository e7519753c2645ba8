"""Which placement groups the workers of trials hold, and how those of dead trials are found. No Ray here."""

from collections.abc import Callable, Collection


class PlacementGroupTracker:
    """Follows the groups of a sweep's trials.

    A trial says which group it holds with its first progress. One that dies before leaves a group that nobody
    names: it is among those that no running trial holds, and found once every trial that had not said by then
    has. An idle group may be taken for it; whoever gets that one next starts another.
    """

    def __init__(self, listed: Callable[[], Collection[str]], release: Callable[[str], None]) -> None:
        """`listed` gives all groups of this driver's workers as hexadecimal digits; `release` takes one."""
        self._listed = listed
        self._release = release
        self._held: dict[str, str] = {}  # trial -> group
        self._silent: set[str] = set()  # trials that run and have named none
        self._suspects: set[str] = set()
        self._awaited: set[str] = set()  # trials that may hold a suspect

    def started(self, trial_id: str) -> None:
        """A trial begins, or begins again."""
        self._silent.add(trial_id)

    def named(self, trial_id: str, group: str) -> None:
        """A running trial says what it holds."""
        self._held[trial_id] = group
        self._suspects.discard(group)
        self._heard(trial_id)

    def ended(self, trial_id: str) -> None:
        """A trial came to its end; its group lives on and takes the next one."""
        self._held.pop(trial_id, None)
        self._heard(trial_id)

    def died(self, trial_id: str) -> None:
        """A trial's process is gone, and nobody gives its group back."""
        if group := self._held.pop(trial_id, None):
            self._release(group)
        else:
            self._suspects |= set(self._listed()) - set(self._held.values())
            self._awaited |= self._silent
        self._heard(trial_id)

    def _heard(self, trial_id: str) -> None:
        self._silent.discard(trial_id)
        self._awaited.discard(trial_id)
        if not self._awaited:
            for group in self._suspects:
                self._release(group)
            self._suspects = set()
