"""State of a running sweep, accumulated from its events, and its estimated remaining time.

Pure: no terminal, no threads; the clock is an argument.
"""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lookahead_ray.objective.base import standing
from lookahead_ray.presentation.format import first_line
from lookahead_ray.presentation.pace import Left, Pace, Timing
from lookahead_ray.sanitize import clean
from lookahead_ray.sweep.interfaces import TrialProgress
from lookahead_ray.trial.label import label as label_of
from lookahead_ray.trial.record import Role, TrialRecord
from lookahead_ray.trial.trainings import count_trainings

MOST_RUNNING = 0.99
"""Largest fraction shown for a trial that has not ended."""


@dataclass
class RunningTrial:
    """A trial between `trial_started` and `trial_finished`."""

    label: str
    role: Role
    started_s: float
    timing: Timing
    progress: TrialProgress | None = None
    note: str = ""
    fraction: float = 0.0  # estimated share of its time that has passed; falls only at a restart
    advanced_s: float = 0.0  # time at which `fraction` was computed


@dataclass(frozen=True)
class FinishedTrial:
    """A committed trial, or one of its points, with its label; `seconds` is None if not known."""

    label: str
    record: TrialRecord
    seconds: float | None


class SweepProgress:
    """State of a sweep, updated by an observer's events; its labels and errors are cleaned for display."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = clean(name)
        self.run = ""
        self.log = ""
        self.budget = ""
        self.preparing = "starting"
        self.started = False
        self.ended = False
        self.running: dict[str, RunningTrial] = {}
        self.finished: dict[str, FinishedTrial] = {}
        self._clock = clock
        self._opened_s = clock()
        self._trials = 0
        self._slots = 1  # maximum number of trials that have run at the same time
        self._pace = Pace()

    def sweep_started(self, run: str, trials: int, committed: Sequence[TrialRecord], log: str) -> None:
        """Record the start of the search; `committed` trials are kept from earlier sessions."""
        self.started = True
        self.run, self.log, self._trials = clean(run), clean(log), trials
        for record in committed:
            label = clean(label_of(record.config, record.role, record.params))
            self.finished[record.trial_id] = FinishedTrial(label, record, _seconds(record))
            if record.status != "failed" and not record.is_further_point:
                self._pace.learn_record(record)

    def trial_started(self, trial_id: str, role: Role, label: str) -> RunningTrial:
        """Record the start of a trial."""
        now_s = self._clock()
        timing = Timing(role != "seed", now_s)
        self.running[trial_id] = RunningTrial(clean(label), role, now_s, timing, advanced_s=now_s)
        self._slots = max(self._slots, len(self.running))
        return self.running[trial_id]

    def trial_restarted(self, trial_id: str, restarts: int, most: int) -> RunningTrial | None:
        """Record a restart of the trial and return it; None if it isn't running."""
        trial = self.running.get(trial_id)
        if trial:
            trial.progress, trial.note = None, f"restarted ({restarts} of {most})"
            trial.timing, trial.fraction = Timing(trial.timing.trains, self._clock()), 0.0
        return trial

    def trial_set_aside(self, trial_id: str) -> RunningTrial | None:
        """Record that a trial stopped running without a result and return it; None if it wasn't running."""
        return self.running.pop(trial_id, None)

    def trial_progress(self, trial_id: str, progress: TrialProgress) -> RunningTrial | None:
        """Record the progress of the trial and return it; None if it isn't running."""
        trial = self.running.get(trial_id)
        if trial:
            self.advance()
            trial.progress = progress
            trial.timing.report(progress, self._clock())
        return trial

    def advance(self) -> None:
        """Advance the fractions of the running trials to the current time.

        Each advances at the speed with which it would reach 1 at the end of the remaining time. So a fraction
        never falls: a new estimate of the remaining time only changes the speed.
        """
        now_s = self._clock()
        for trial in self.running.values():
            left = self._pace.left(trial.timing, now_s)
            # An unknown long phase is assumed to last as long as all the others together.
            guess = left.seconds + left.unknown * (left.seconds + trial.timing.elapsed_s(now_s))
            passed = now_s - trial.advanced_s
            if left.seconds > 0:
                moved = trial.fraction + (1 - trial.fraction) * passed / (passed + guess)
                trial.fraction = max(trial.fraction, min(moved, MOST_RUNNING))
            trial.advanced_s = now_s

    def trial_finished(self, record: TrialRecord) -> FinishedTrial:
        """Record the commit of a trial."""
        trial = self.running.pop(record.trial_id, None)
        label = clean(label_of(record.config, record.role, record.params))
        if trial and record.status == "failed":
            label = trial.label
        seconds = self._clock() - trial.started_s if trial else _seconds(record)
        if record.status != "failed" and not record.is_further_point:
            if trial:
                trial.timing.elapse(self._clock())
                self._pace.learn(trial.timing)
            else:
                self._pace.learn_record(record)
        self.finished[record.trial_id] = FinishedTrial(label, record, seconds)
        return self.finished[record.trial_id]

    def sweep_finished(self) -> None:
        """Record the end of the sweep."""
        self.running.clear()
        self.ended = True

    @property
    def done(self) -> int:
        """Return the number of committed trials, failed ones included; all points of a training are one."""
        return count_trainings(trial.record for trial in self.finished.values())

    @property
    def trials(self) -> int:
        """Return the total number of trials of the sweep."""
        return max(self._trials, self.done + len(self.running))

    @property
    def fraction(self) -> float:
        """Return the share of the sweep that is done; running trials count by their fractions."""
        part = self.done + sum(trial.fraction for trial in self.running.values())
        return min(part / self.trials, 1.0) if self.trials else 0.0

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since this object was created."""
        return self._clock() - self._opened_s

    @property
    def failures(self) -> list[FinishedTrial]:
        """Return the failed trials, in order."""
        return [trial for trial in self.finished.values() if trial.record.status == "failed"]

    @property
    def last_error(self) -> str:
        """Return the first line of the last failed trial's error; empty if none failed."""
        return first_line(self.failures[-1].record.error or "no error text") if self.failures else ""

    @property
    def best(self) -> FinishedTrial | None:
        """Return the best search trial so far, of those that are scored and keep the floor, if any."""
        searched = [trial for trial in self.finished.values() if trial.record.role == "search"]
        good = [trial for trial in searched if standing(trial.record)[0] == 0]
        return min(good, key=lambda trial: standing(trial.record), default=None)

    def elapsed_of_s(self, trial: RunningTrial) -> float:
        """Return the seconds since the trial began."""
        return self._clock() - trial.started_s

    def unreported_s(self, trial: RunningTrial) -> float:
        """Return the seconds since the trial's last report."""
        return self._clock() - trial.timing.at_s

    def remaining_s(self) -> float | None:
        """Return the estimated seconds to the end; None until the durations of a trial's phases are known.

        Running trials need the rest of their phases, and waiting trials the expected time of a trial. The
        assumed concurrency is the maximum number of trials that have run at the same time.
        """
        if not self.started or not self.trials:
            return None
        if self.ended or self.done >= self.trials:
            return 0.0
        now_s = self._clock()
        running = [(trial.timing, self._pace.left(trial.timing, now_s)) for trial in self.running.values()]
        each_s = self._trial_s(running, now_s)
        waiting = self.trials - self.done - len(running)
        if each_s is None and waiting:
            return None
        slots = [0.0] * (self._slots - len(running))
        for timing, left in running:
            if not left.unknown:
                slots.append(left.seconds)
            elif timing.trains and each_s is not None:
                slots.append(max(each_s - timing.elapsed_s(now_s), left.seconds))
            else:
                return None
        heapq.heapify(slots)
        for _ in range(waiting):
            heapq.heappush(slots, heapq.heappop(slots) + (each_s or 0.0))
        return max(slots)

    def least_remaining_s(self) -> float | None:
        """Return the known part of the remaining seconds; None if nothing is known or a trial is waiting."""
        if self.trials > self.done + len(self.running):
            return None
        now_s = self._clock()
        known = [self._pace.left(trial.timing, now_s).seconds for trial in self.running.values()]
        return max(known, default=0.0) or None

    def _trial_s(self, running: Sequence[tuple[Timing, Left]], now_s: float) -> float | None:
        """Return the expected seconds of a trial, from trials that have ended or else from running ones."""
        expected = self._pace.trial_s()
        if expected is not None:
            return expected
        projected = [
            timing.elapsed_s(now_s) + left.seconds
            for timing, left in running
            if timing.trains and not left.unknown
        ]
        return sum(projected) / len(projected) if projected else None


def _seconds(record: TrialRecord) -> float | None:
    """Return the duration of a trial; None if it is not known or counted with the first point."""
    return None if record.is_further_point else record.seconds_total
