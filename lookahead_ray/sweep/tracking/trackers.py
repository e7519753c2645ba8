"""The trackers of a sweep: a thread passes the trials' figures to them, so slow servers delay no trial."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue
from threading import Thread

from lookahead_ray.config.tracking import TrackingConfig
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.sanitize import clean
from lookahead_ray.sweep.tracking.callbacks import (
    RayLogger,
    TrackedTrial,
    as_result,
    files_of,
    make_callback,
)
from lookahead_ray.sweep.tracking.metrics import parameters, result_figures, signal_figures, step_figures
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import TrialRecord

CLOSE_S = 120.0
"""Maximum time at the end of a sweep for what has not been passed on yet."""
MOST_FAILURES = 3  # consecutive failures after which a tracker is no longer called

MakeCallback = Callable[[TrackingConfig, str, str], RayLogger]


@dataclass
class _Tracker:
    config: TrackingConfig
    callback: RayLogger
    trials: dict[str, TrackedTrial] = field(default_factory=dict)  # running ones, by trial id
    signals: dict[str, int] = field(default_factory=dict)  # trial id -> epochs passed on
    calls: int = 0
    lost: int = 0
    in_a_row: int = 0


class Trackers:
    """Passes starts, epochs and results of trials on to all trackers; a failing one never ends a sweep."""

    def __init__(
        self,
        tracking: Sequence[TrackingConfig],
        run: str,
        name: str,
        sweep_id: str,
        make: MakeCallback = make_callback,
    ) -> None:
        self._tracking, self._run, self._name, self._sweep_id = tracking, run, name, sweep_id
        self._make = make
        self._queue: Queue[Callable[[_Tracker], None] | None] = Queue()
        self._trackers: list[_Tracker] = []

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Set the trackers up, and pass on what comes; at the end, wait for the rest up to `CLOSE_S`.

        Ray must be connected inside the block.

        Raises:
            ConfigError: a tracker can't be set up.
        """
        if not self._tracking:
            yield
            return
        for config in self._tracking:
            self._trackers.append(_Tracker(config, self._make(config, self._name, self._sweep_id)))
        thread = Thread(target=self._work, name="trackers", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._queue.put(None)
            thread.join(CLOSE_S)
            if thread.is_alive():
                _log().warning("tracking: gave up after %g s; figures may be missing", CLOSE_S)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return one line for each tracker that lost figures."""
        return tuple(
            f"tracking: {tracker.config.name} lost {tracker.lost} of {tracker.calls} calls; "
            "the reasons are in the log"
            for tracker in self._trackers
            if tracker.lost
        )

    def started(self, job: Job) -> None:
        """Note a trial's start."""

        def start(tracker: _Tracker) -> None:
            self._start(tracker, job.trial_id, job.label, job.role, job.config, job.params)

        self._put(start)

    def signal(self, trial_id: str, signal: Signal) -> None:
        """Pass on what was measured after an epoch."""
        self._put(lambda tracker: self._signal(tracker, trial_id, signal))

    def finished(self, record: TrialRecord) -> None:
        """Pass on the results of an ended trial: its steps, epochs, rates and scores."""
        self._put(lambda tracker: self._finish(tracker, record))

    def _put(self, call: Callable[[_Tracker], None]) -> None:
        if self._tracking:
            self._queue.put(call)

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            for tracker in self._trackers:
                self._call(tracker, call)
        for tracker in self._trackers:
            for trial in list(tracker.trials.values()):  # trials that were interrupted
                self._call(tracker, lambda each, trial=trial: each.callback.log_trial_end(trial, failed=True))  # type: ignore[misc]
            self._call(tracker, lambda each: each.callback.on_experiment_end([]))

    def _call(self, tracker: _Tracker, call: Callable[[_Tracker], None]) -> None:
        tracker.calls += 1
        if tracker.in_a_row >= MOST_FAILURES:
            tracker.lost += 1
            return
        try:
            call(tracker)
            tracker.in_a_row = 0
        except Exception as error:
            tracker.lost += 1
            tracker.in_a_row += 1
            _log().warning("tracking: %s: %s: %s", tracker.config.name, type(error).__name__, error)

    def _start(
        self,
        tracker: _Tracker,
        trial_id: str,
        name: str,
        role: str,
        config: Mapping[str, object],
        params: Mapping[str, object],
    ) -> TrackedTrial:
        folder = files_of(tracker.config, self._run, self._name) / trial_id
        trial = TrackedTrial(
            trial_id,
            clean(f"{trial_id}: {name}"),
            parameters(trial_id, role, name, config, params),
            str(folder.absolute()),
            f"{self._name}-{self._sweep_id}",
        )
        trial.init_local_path()
        tracker.callback.log_trial_start(trial)
        tracker.trials[trial_id] = trial
        return trial

    def _signal(self, tracker: _Tracker, trial_id: str, signal: Signal) -> None:
        trial = tracker.trials.get(trial_id)
        if trial is None or signal.epoch <= tracker.signals.get(trial_id, 0):
            return  # a restarted trial repeats epochs
        tracker.signals[trial_id] = signal.epoch
        result = as_result(tracker.config, signal_figures(signal), signal.epoch)
        tracker.callback.log_trial_result(signal.epoch, trial, result)

    def _finish(self, tracker: _Tracker, record: TrialRecord) -> None:
        trial_id = record.trial_id
        trial = tracker.trials.get(trial_id) or self._start(
            tracker, trial_id, label(record.config, record.role, record.params), record.role, record.config,
            record.params,
        )  # fmt: skip
        for signal in record.signals:
            self._signal(tracker, trial_id, signal)
        del tracker.trials[trial_id]
        try:
            for step in record.steps:
                result = as_result(tracker.config, step_figures(step), step.step)
                tracker.callback.log_trial_result(step.step, trial, result)
            at = record.steps[-1].step if record.steps else 1
            tracker.callback.log_trial_result(
                at, trial, as_result(tracker.config, result_figures(record), at)
            )
        finally:
            tracker.callback.log_trial_end(trial, failed=record.status == "failed")


def _log() -> logging.Logger:
    return logging.getLogger(__name__)
