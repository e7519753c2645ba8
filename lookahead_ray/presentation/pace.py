"""How long trials take, phase by phase: measured in those that ended, projected for those that run.

Pure: times are handed in, in seconds of any one clock.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from lookahead_ray.sweep.interfaces import TrialProgress
from lookahead_ray.trial.progress import ALTERNATING, PHASES, Phase
from lookahead_ray.trial.record import TrialRecord

LONG: tuple[Phase, ...] = ("training", "answering")
"""Phases that a trial spends most of its time in: it can't be projected without their durations."""

TELLING_SHARE = 0.05
"""Share of a phase that must be done before its pace is trusted, where no earlier trial had that phase."""


@dataclass
class Spent:
    """What a trial spent in one phase so far."""

    seconds: float = 0.0
    worked: float = 0.0  # units done in these seconds
    worked_s: float = 0.0  # seconds up to the report of the last one
    gains: int = 0  # reports of more units
    done: float = 0.0  # units done, those before a restart included
    total: float = 0.0  # units in all; 0: unknown

    @property
    def whole_s(self) -> float:
        """Return the seconds that all done units take, those before a restart included."""
        return self.seconds * self.done / self.worked if self.worked else self.seconds

    def since_report(self, passed_s: float) -> tuple[float, float]:
        """Return the units done since the last report, and by which factor the pace has fallen.

        It is assumed that the next report brings as many units as those before. If it is late, the pace is
        what it would be if that report came now.

        Args:
            passed_s: seconds in the phase until now.
        """
        units = min(self.worked / self.gains, self.total - self.done)
        due_s = units / self.worked * self.worked_s
        begun = units * min((passed_s - self.worked_s) / due_s, 1.0)
        return begun, max(passed_s / (self.worked_s + due_s), 1.0)


@dataclass
class Timing:
    """The seconds of one trial by phase."""

    trains: bool
    at_s: float  # time of the last event
    phase: Phase = PHASES[0]
    steps: int = 0  # optimiser steps in all; 0: unknown
    spent: defaultdict[Phase, Spent] = field(default_factory=lambda: defaultdict(Spent))

    def report(self, progress: TrialProgress, now_s: float) -> None:
        """Count the time since the last event, for the phase of then.

        If the reported phase got on meanwhile, it took that time: after a checkpoint, training reports its
        next step, not that it begins again.
        """
        visited = progress.phase in self.spent
        new = self.spent[progress.phase]
        gained = progress.done - new.done if visited and progress.total > 0 else 0.0
        self.elapse(now_s, progress.phase if gained > 0 else self.phase)
        if gained > 0:
            new.worked += gained
            new.worked_s = new.seconds
            new.gains += 1
        if progress.total > 0:
            new.done, new.total = progress.done, progress.total
        self.phase = progress.phase
        self.steps = progress.steps

    def elapse(self, now_s: float, phase: Phase | None = None) -> None:
        """Count the time since the last event for `phase`; for the current one unless given."""
        self.spent[phase or self.phase].seconds += now_s - self.at_s
        self.at_s = now_s

    def elapsed_s(self, now_s: float) -> float:
        """Return the seconds since the trial began, or began again."""
        return sum(spent.seconds for spent in self.spent.values()) + now_s - self.at_s


@dataclass(frozen=True)
class Left:
    """What a running trial still needs."""

    seconds: float  # as far as can be told
    unknown: int  # of `LONG` phases that are not in `seconds`


class Pace:
    """Learns from trials that ended how long the phases of others will take."""

    def __init__(self) -> None:
        self._past: list[Timing] = []

    def learn(self, timing: Timing) -> None:
        """Take up a trial that ended well."""
        self._past.append(timing)

    def learn_record(self, record: TrialRecord) -> None:
        """Take up a committed trial of another session, as far as its record has times."""
        if record.seconds_total is None:
            return
        timing = Timing(record.role != "seed", record.seconds_total)
        train, evaluate = record.seconds_train or 0.0, record.seconds_evaluate or 0.0
        known: dict[Phase, float] = {"training": train, "answering": evaluate}
        known["starting"] = max(record.seconds_total - train - evaluate, 0.0)
        for phase, seconds in known.items():
            timing.spent[phase] = Spent(seconds=seconds)
        self.learn(timing)

    def trial_s(self) -> float | None:
        """Return the expected seconds of a trained trial that is yet to begin; None before one has ended."""
        if not any(timing.trains for timing in self._past):
            return None
        return sum(self._expected_s(phase, trains=True) or 0.0 for phase in PHASES)

    def left(self, timing: Timing, now_s: float) -> Left:
        """Return what a running trial still needs, by its own pace if it has one, else by that of others."""
        here = PHASES.index(timing.phase)
        seconds, unknown = 0.0, 0
        for place, phase in enumerate(PHASES):
            turns = phase in ALTERNATING and timing.phase in ALTERNATING
            if (place < here and not turns) or (phase == "training" and not timing.trains):
                continue
            needed, sure = self._phase_left(timing, phase, now_s)
            seconds += needed
            unknown += phase in LONG and not sure
        return Left(seconds, unknown)

    def _phase_left(self, timing: Timing, phase: Phase, now_s: float) -> tuple[float, bool]:
        """Return the seconds that a phase still needs, and whether they can be trusted.

        What is late is expected to take as long again as it is late already.
        """
        spent = timing.spent.get(phase, Spent())
        here = phase == timing.phase
        total = spent.total or (timing.steps if phase == "training" else 0.0)
        expected_s = self._expected_s(phase, timing.trains, total)
        passed_s = spent.seconds + (now_s - timing.at_s if here else 0.0)
        share = min(spent.done / spent.total, 1.0) if spent.total else 0.0
        if share >= 1:
            return 0.0, True
        if not spent.worked_s:
            if expected_s is None:
                return 0.0, False
            left_s = (1 - share) * expected_s - passed_s
            return max(left_s, -left_s if here else 0.0), True
        whole_s = spent.worked_s / spent.worked * spent.total
        if expected_s is not None:
            weight = min(2 * share, 1.0)
            whole_s = weight * whole_s + (1 - weight) * expected_s
        begun, slower = spent.since_report(passed_s)
        left_s = (1 - share - begun / spent.total) * whole_s * slower
        return left_s, expected_s is not None or share >= TELLING_SHARE

    def _expected_s(self, phase: Phase, trains: bool, total: float = 0.0) -> float | None:
        """Return the seconds of a phase in earlier trials, of the same kind if there are any.

        With units, of `total` or else as many as on average. Of short phases without units the last trial
        counts, since only the first ones load libraries and fill caches.
        """
        alike = [timing for timing in self._past if timing.trains == trains]
        if not alike and phase != "training":
            alike = [timing for timing in self._past if phase in timing.spent]
        if not alike:
            return None
        found = [timing.spent.get(phase, Spent()) for timing in alike]
        worked = sum(spent.worked for spent in found)
        if total and worked:
            return total * sum(spent.seconds for spent in found if spent.worked) / worked
        if phase in LONG or any(spent.total for spent in found):
            return sum(spent.whole_s for spent in found) / len(found)
        return found[-1].seconds
