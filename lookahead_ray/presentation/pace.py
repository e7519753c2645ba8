"""Durations of trials by phase: measured for trials that have ended, projected for running ones.

Pure: times are arguments, in seconds of any one clock.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from lookahead_ray.sweep.interfaces import TrialProgress
from lookahead_ray.trial.progress import ALTERNATING, MEASURING, PHASES, Phase
from lookahead_ray.trial.record import TrialRecord

LONG: tuple[Phase, ...] = ("training", "answering")
"""Phases that take most of a trial's time; without their durations, a trial can't be projected."""

TELLING_SHARE = 0.05
"""Share of a phase that must be done before its pace is trusted if no earlier trial had that phase."""


@dataclass
class Spent:
    """Time and units that a trial has spent in one phase so far."""

    seconds: float = 0.0
    worked: float = 0.0  # units done in these seconds
    worked_s: float = 0.0  # seconds up to the report of the last unit
    gains: int = 0  # number of reports with more units
    done: float = 0.0  # units done, including those before a restart
    total: float = 0.0  # total units; 0: unknown

    @property
    def whole_s(self) -> float:
        """Return the seconds that all done units take, including those before a restart."""
        return self.seconds * self.done / self.worked if self.worked else self.seconds

    def since_report(self, passed_s: float) -> tuple[float, float]:
        """Return the estimated units done since the last report, and the factor by which the pace has fallen.

        The next report is assumed to bring as many units as the earlier ones. If it is late, the pace is
        computed as if the report came now.

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
    steps: int = 0  # total optimiser steps; 0: unknown
    spent: defaultdict[Phase, Spent] = field(default_factory=lambda: defaultdict(Spent))

    def report(self, progress: TrialProgress, now_s: float) -> None:
        """Add the time since the last event to the phase that was current then.

        If the reported phase has progressed, the time is added to it instead: after a checkpoint, training
        reports its next step, not its resumption.
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
        """Add the time since the last event to `phase`, by default the current one."""
        self.spent[phase or self.phase].seconds += now_s - self.at_s
        self.at_s = now_s

    def elapsed_s(self, now_s: float) -> float:
        """Return the seconds since the trial's start or restart."""
        return sum(spent.seconds for spent in self.spent.values()) + now_s - self.at_s


@dataclass(frozen=True)
class Left:
    """Remaining time of a running trial."""

    seconds: float  # remaining seconds of the phases that can be projected
    unknown: int  # number of `LONG` phases that are not included in `seconds`


class Pace:
    """Projection of the phases of running trials, from those of trials that have ended."""

    def __init__(self) -> None:
        self._past: list[Timing] = []

    def learn(self, timing: Timing) -> None:
        """Add a trial that has ended without failure."""
        self._past.append(timing)

    def learn_record(self, record: TrialRecord) -> None:
        """Add a committed trial of another session, if its record has times."""
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
        """Return the expected seconds of a future trial with training; None before one has ended."""
        if not any(timing.trains for timing in self._past):
            return None
        return sum(self._expected_s(phase, trains=True) or 0.0 for phase in PHASES)

    def left(self, timing: Timing, now_s: float) -> Left:
        """Return the remaining time of a running trial, by its own pace if known, else by that of others."""
        here = PHASES.index(timing.phase)
        seconds, unknown = 0.0, 0
        for place, phase in enumerate(PHASES):
            turns = any({phase, timing.phase} <= phases for phases in (ALTERNATING, MEASURING))
            if (place < here and not turns) or (phase == "training" and not timing.trains):
                continue
            needed, sure = self._phase_left(timing, phase, now_s)
            seconds += needed
            unknown += phase in LONG and not sure
        return Left(seconds, unknown)

    def _phase_left(self, timing: Timing, phase: Phase, now_s: float) -> tuple[float, bool]:
        """Return the remaining seconds of a phase, and whether they are reliable.

        A phase that is late is expected to take as long again as it is already late.
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
        """Return the expected seconds of a phase from earlier trials, of the same kind if there are any.

        For phases with units, the seconds are for `total` units, or else for the average number. For short
        phases without units only the last trial counts, since the first ones load libraries and fill caches.
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
