"""What is known about a running sweep: events folded into a state, and the time it will still take.

Pure: no terminal, no threads; the clock is handed in.
"""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lookahead_ray.cli.text import first_line
from lookahead_ray.sweep.observer import TrialProgress
from lookahead_ray.text import clean
from lookahead_ray.trial.label import label as label_of
from lookahead_ray.trial.objective import standing
from lookahead_ray.trial.record import Role, TrialRecord

TELLING_FRACTION = 0.1
"""From this share on a running trial's pace says how long trials take, when no trained one has ended yet."""


@dataclass
class RunningTrial:
    """A trial between `trial_started` and `trial_finished`."""

    label: str
    role: Role
    started_s: float
    progress: TrialProgress | None = None
    note: str = ""

    @property
    def fraction(self) -> float:
        """Estimated share that is done, 0..1."""
        return min(max(self.progress.fraction, 0.0), 1.0) if self.progress else 0.0


@dataclass(frozen=True)
class FinishedTrial:
    """A committed trial, labelled; `seconds` is None where nobody took the time."""

    label: str
    record: TrialRecord
    seconds: float | None


class SweepProgress:
    """Folds an observer's events; labels and errors in it are cleaned for display."""

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
        self._slots = 1  # most trials that ran at once

    def sweep_started(self, run: str, trials: int, committed: Sequence[TrialRecord], log: str) -> None:
        """The search begins; `committed` trials are kept from before."""
        self.started = True
        self.run, self.log, self._trials = clean(run), clean(log), trials
        for record in committed:
            label = clean(label_of(record.config, record.role, record.params))
            self.finished[record.trial_id] = FinishedTrial(label, record, record.seconds_total)

    def trial_started(self, trial_id: str, role: Role, label: str) -> RunningTrial:
        """A trial begins."""
        self.running[trial_id] = RunningTrial(clean(label), role, self._clock())
        self._slots = max(self._slots, len(self.running))
        return self.running[trial_id]

    def trial_restarted(self, trial_id: str, restarts: int, most: int) -> RunningTrial | None:
        """The trial begins again; None if it isn't running."""
        trial = self.running.get(trial_id)
        if trial:
            trial.progress, trial.note = None, f"restarted ({restarts} of {most})"
        return trial

    def trial_progress(self, trial_id: str, progress: TrialProgress) -> RunningTrial | None:
        """Where the trial is now; None if it isn't running."""
        trial = self.running.get(trial_id)
        if trial:
            trial.progress = progress
        return trial

    def trial_finished(self, record: TrialRecord) -> FinishedTrial:
        """The trial is committed."""
        trial = self.running.pop(record.trial_id, None)
        label = trial.label if trial else clean(label_of(record.config, record.role, record.params))
        seconds = self._clock() - trial.started_s if trial else record.seconds_total
        self.finished[record.trial_id] = FinishedTrial(label, record, seconds)
        return self.finished[record.trial_id]

    def sweep_finished(self) -> None:
        """Nothing runs any more."""
        self.running.clear()
        self.ended = True

    @property
    def done(self) -> int:
        """Committed trials, failed ones too."""
        return len(self.finished)

    @property
    def trials(self) -> int:
        """All trials of the sweep."""
        return max(self._trials, self.done + len(self.running))

    @property
    def fraction(self) -> float:
        """Share of the sweep that is done, running trials counted by their fractions."""
        part = self.done + sum(trial.fraction for trial in self.running.values())
        return min(part / self.trials, 1.0) if self.trials else 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since this object was made."""
        return self._clock() - self._opened_s

    @property
    def failures(self) -> list[FinishedTrial]:
        """Trials that failed, in order."""
        return [trial for trial in self.finished.values() if trial.record.status == "failed"]

    @property
    def last_error(self) -> str:
        """First line of the last failed trial's error; empty if none failed."""
        return first_line(self.failures[-1].record.error or "no error text") if self.failures else ""

    @property
    def best(self) -> FinishedTrial | None:
        """The best searched trial so far, of those that are scored and keep the floor if there is one."""
        searched = [trial for trial in self.finished.values() if trial.record.role == "search"]
        good = [trial for trial in searched if standing(trial.record)[0] == 0]
        return min(good, key=lambda trial: standing(trial.record), default=None)

    def elapsed_of_s(self, trial: RunningTrial) -> float:
        """Seconds since the trial began."""
        return self._clock() - trial.started_s

    def remaining_s(self) -> float | None:
        """Estimated seconds to the end; None until one trial has ended and a trained one tells its pace.

        A running trial still needs its open share of a trial's mean time, a waiting one all of it, on as many
        slots as were seen busy at once.
        """
        if not self.started or not self.trials:
            return None
        if self.ended or self.done >= self.trials:
            return 0.0
        mean = self._mean_trial_s()
        if mean is None:
            return None
        left = [self._left_s(trial, mean) for trial in self.running.values()]
        slots = left + [0.0] * (self._slots - len(left))
        heapq.heapify(slots)
        for _ in range(self.trials - self.done - len(self.running)):
            heapq.heappush(slots, heapq.heappop(slots) + mean)
        return max(slots)

    def _mean_trial_s(self) -> float | None:
        """Mean time of a trained trial; untrained references and failures say little about it."""
        trained = [
            trial.seconds
            for trial in self.finished.values()
            if trial.seconds is not None and trial.record.role != "seed" and trial.record.status != "failed"
        ]
        if not trained and self.done:
            trained = [
                self.elapsed_of_s(trial) / trial.fraction
                for trial in self.running.values()
                if trial.role != "seed" and trial.fraction >= TELLING_FRACTION
            ]
        return sum(trained) / len(trained) if trained else None

    def _left_s(self, trial: RunningTrial, mean: float) -> float:
        if trial.fraction > 0:
            return (1 - trial.fraction) * mean
        return max(mean - self.elapsed_of_s(trial), 0.0)
