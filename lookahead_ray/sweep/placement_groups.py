"""Placement groups held by the trials' workers, and detection of dead trials' groups. Does not use Ray."""

from collections.abc import Callable, Collection


class PlacementGroupTracker:
    """A tracker of the placement groups of a sweep's trials.

    A trial reports its group with its first progress. A trial that dies before that leaks its group. Such a
    group is identified by elimination: once every other silent trial has reported, any group that no trial
    holds is released. This may release an idle group too; its next trial then starts a new one.
    """

    def __init__(self, listed: Callable[[], Collection[str]], release: Callable[[str], None]) -> None:
        """Use `listed` to list all groups of this driver's workers, in hexadecimal; `release` frees one."""
        self._listed = listed
        self._release = release
        self._held: dict[str, str] = {}  # trial -> group
        self._silent: set[str] = set()  # running trials that have reported no group
        self._suspects: set[str] = set()
        self._awaited: set[str] = set()  # trials that may hold a suspect

    def started(self, trial_id: str) -> None:
        """Note that a trial starts or restarts."""
        self._silent.add(trial_id)

    def named(self, trial_id: str, group: str) -> None:
        """Note the group that a running trial reports."""
        self._held[trial_id] = group
        self._suspects.discard(group)
        self._mark_reported(trial_id)

    def ended(self, trial_id: str) -> None:
        """Note that a trial ended; its group stays alive for the next trial."""
        self._held.pop(trial_id, None)
        self._mark_reported(trial_id)

    def died(self, trial_id: str) -> None:
        """Note that a trial's process died; release its group, which is not released otherwise."""
        if group := self._held.pop(trial_id, None):
            self._release(group)
        else:
            self._suspects |= set(self._listed()) - set(self._held.values())
            self._awaited |= self._silent
        self._mark_reported(trial_id)

    def _mark_reported(self, trial_id: str) -> None:
        self._silent.discard(trial_id)
        self._awaited.discard(trial_id)
        if not self._awaited:
            for group in self._suspects:
                self._release(group)
            self._suspects = set()
