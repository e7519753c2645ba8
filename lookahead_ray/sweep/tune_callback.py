"""Ray Tune's events of trials: a callback that turns ended trials into records, and all into progress."""

import pickle
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune import Callback

from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.sweep.interfaces import Observer, TrialProgress
from lookahead_ray.sweep.interrupt import Interrupt
from lookahead_ray.sweep.job_queue import JobQueue
from lookahead_ray.sweep.placement_groups import PlacementGroupTracker
from lookahead_ray.sweep.tracking.trackers import Trackers
from lookahead_ray.trial.failure import ended_by_infrastructure, failure_message
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.record import completed_records, failed_record, utc_now
from lookahead_ray.trial.stop_decisions import DecisionSender
from lookahead_ray.trial.trainable import FAILURE, OF_INFRASTRUCTURE
from lookahead_ray.trial.worker_group import (
    GROUP,
    MEASUREMENT,
    PROGRESS,
    SIGNAL,
    WAITED_S,
    held_groups,
    release,
)


class TimeIsUpError(Exception):
    """The time of the budget is used up, so the running trials end."""


class NeverRestored:
    """An object without state in Tune's snapshots, which are written but never read.

    A sweep resumes from its tables, and what these objects refer to (a live view, a store) can't be pickled.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {}


class RecordingCallback(NeverRestored, Callback):
    """A Tune callback that turns trial events into records and progress."""

    def __init__(
        self,
        sweep_id: str,
        job_queue: JobQueue,
        decisions: DecisionSender,
        observer: Observer,
        interrupt: Interrupt,
        max_failures: int,
        trackers: Trackers | None = None,
        check_head: Callable[[], None] = lambda: None,
    ) -> None:
        self._check_head = check_head
        self._sweep_id = sweep_id
        self._trackers = trackers
        self._interrupt = interrupt
        self._job_queue = job_queue
        self._decisions = decisions
        self._observer = observer
        self._started: dict[str, tuple[float, str]] = {}
        self._restarts: Counter[str] = Counter()
        self._measured: dict[str, Measurement] = {}  # by trial id
        self._max_failures = max_failures
        self._placement_groups = PlacementGroupTracker(held_groups, release)
        self._saving: set[str] = set()  # running trials that write a checkpoint
        self._waited_s: Counter[str] = Counter()  # for machines, by trial id
        self.time_is_up = False
        self.error: LookaheadRayError | None = None  # what ended the sweep

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        self._interrupt.check()
        if self.error:  # Tune takes an exception of `on_trial_complete` for one of the trial
            raise self.error
        try:
            self._check_head()
        except LookaheadRayError as error:
            self.error = error
            raise
        self._decisions.repeat()
        if self._job_queue.check_hours():
            self.time_is_up = True
            raise TimeIsUpError

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        job = _job(trial)
        self._placement_groups.started(job.trial_id)
        if job.trial_id not in self._started:
            self._started[job.trial_id] = time.monotonic(), utc_now()
            self._observer.trial_started(job.trial_id, job.role, job.label)
            if self._trackers:
                self._trackers.started(job)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if PROGRESS in result:
            progress = TrialProgress(**result[PROGRESS])
            self._placement_groups.named(_job(trial).trial_id, result[GROUP])
            self._note_checkpoint(_job(trial).trial_id, progress)
            self._waited_s[_job(trial).trial_id] += result.get(WAITED_S, 0.0)
            self._observer.trial_progress(_job(trial).trial_id, progress)
        # removed, as Tune keeps each trial's last result until the end of the sweep
        result.pop("config", None)
        if MEASUREMENT in result:
            self._measured[_job(trial).trial_id] = result.pop(MEASUREMENT)
        if SIGNAL in result:
            signal: Signal = result[SIGNAL]
            if self._trackers:
                self._trackers.signal(_job(trial).trial_id, signal)
            goes_on = self._job_queue.goes_on(_job(trial), signal)
            self._decisions.send(_job(trial).trial_id, signal.epoch, goes_on)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._placement_groups.ended(_job(trial).trial_id)
        failure = trial.last_result.get(FAILURE, "the trial ended without a result")
        self._finish(_job(trial), failure, trial.last_result.get(OF_INFRASTRUCTURE, False))

    def on_trial_recover(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        if self.error:  # Tune takes it for an error of the trial, which does not run again
            return
        trial_id = _job(trial).trial_id
        self._placement_groups.died(trial_id)
        self._restarts[trial_id] += 1
        self._observer.trial_restarted(trial_id, self._restarts[trial_id], self._max_failures)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._placement_groups.died(_job(trial).trial_id)
        error = _error_of(trial)
        self._finish(_job(trial), failure_message(error), ended_by_infrastructure(error))

    def _note_checkpoint(self, trial_id: str, progress: TrialProgress) -> None:
        """Note that a checkpoint is written: training goes on after the phase in which it is."""
        if progress.phase == "saving":
            self._saving.add(trial_id)
        elif trial_id in self._saving:
            self._saving.discard(trial_id)
            if progress.phase == "training":
                self._job_queue.progressed(trial_id)

    def _finish(self, job: Job, failure: str, of_infrastructure: bool = False) -> None:
        """Pass on the records of an ended trial; a measurement counts even if an error followed."""
        if self.error:  # Tune reports the trial again whose end ended the sweep
            return
        start, started_at = self._started.pop(job.trial_id, (time.monotonic(), ""))
        measured = self._measured.pop(job.trial_id, None)
        self._decisions.ended(job.trial_id)
        self._saving.discard(job.trial_id)
        seconds = max(0.0, time.monotonic() - start - self._waited_s.pop(job.trial_id, 0.0))
        if measured:
            records = completed_records(job, self._sweep_id, started_at, seconds, measured)
        else:
            records = [failed_record(job, self._sweep_id, started_at, seconds, failure)]
        try:
            records[0] = replace(records[0], restarts=self._restarts.pop(job.trial_id, 0))
            self._job_queue.finish(*records, of_infrastructure=of_infrastructure and measured is None)
        except LookaheadRayError as error:
            self.error = self.error or error
            raise


def _error_of(trial: Any) -> BaseException | None:
    """Return the exception that ended a trial's process, from the file to which Tune writes it here.

    `trial.get_error()` would read the copy in Tune's storage, which is not made here.
    """
    path = trial.pickled_error_file
    try:
        found = pickle.loads(Path(path).read_bytes()) if path else None  # noqa: S301  # this process wrote it
    except Exception:  # an exception may lack what it needs to be restored
        return None
    return found if isinstance(found, BaseException) else None


def _job(trial: Any) -> Job:
    job: Job = trial.config["job"]
    return job
