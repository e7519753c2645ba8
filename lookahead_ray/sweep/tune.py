"""Trials on Ray Tune: a searcher that fetches jobs from the queue."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ray
from ray import tune
from ray.tune import TuneError
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.tune.trainable import FunctionTrainable

from lookahead_ray.config.search import ElasticConfig
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.evaluate.judges.call_quota import CallQuota
from lookahead_ray.hardware.temporary import scratch_folder
from lookahead_ray.sweep.cluster import HEAD_RESOURCE
from lookahead_ray.sweep.died_trials import restarting_died_trials
from lookahead_ray.sweep.head_watch import HeadWatch
from lookahead_ray.sweep.interfaces import Observer
from lookahead_ray.sweep.interrupt import Interrupt
from lookahead_ray.sweep.job_queue import JobQueue, NoJob
from lookahead_ray.sweep.tracking.trackers import Trackers
from lookahead_ray.sweep.tune_callback import NeverRestored, RecordingCallback, TimeIsUpError
from lookahead_ray.trial.job import Checkpoints, Job
from lookahead_ray.trial.stop_decisions import Decisions, DecisionSender
from lookahead_ray.trial.trainable import TuneTrial

# The trainable only waits for its worker group. Tune refuses an empty request, and a fraction of a core would
# keep the last trial from fitting; the head node's own resource exists in any cluster and never runs out.
TRAINABLE_RESOURCES = {HEAD_RESOURCE: 0.0001}


def run_trials(
    job_queue: JobQueue,
    *,
    sweep_id: str,
    at_once: int,
    max_failures: int,
    checkpoints: Callable[[str], Checkpoints | None],
    observer: Observer,
    trackers: Trackers | None = None,
    elastic: ElasticConfig | None = None,
    hang_minutes: float | None = None,
    quota: CallQuota | None = None,
    trainable: type[FunctionTrainable] = TuneTrial,
) -> None:
    """Run the jobs of `job_queue` on the connected cluster, `at_once` at a time, until none is left.

    A job whose processes die is restarted, up to `max_failures` times. `checkpoints` returns, by trial id,
    the place of the checkpoints to resume from; `elastic` sets whether it may resume with fewer ranks, and
    `hang_minutes` after which time without progress its ranks count as dead. Running trials are ended without
    a record when the time of the budget is used up. `quota` counts the calls of paid judges in the run.

    Raises:
        LookaheadRayError: as `JobQueue.finish`, `JobQueue.next_job` and `HeadWatch.check`; running trials are
            ended.
    """
    interrupt = Interrupt()
    decisions = Decisions.remote()  # type: ignore[attr-defined]  # Ray's decorator is untyped
    searcher = _QueueSearcher(job_queue, decisions, checkpoints, elastic, hang_minutes, quota)
    recorder = RecordingCallback(
        sweep_id,
        job_queue,
        DecisionSender(decisions),
        observer,
        interrupt,
        max_failures,
        trackers,
        HeadWatch(ray.nodes).check,
    )
    try:
        with scratch_folder() as scratch, interrupt.handled(), restarting_died_trials():
            tune.Tuner(
                tune.with_resources(trainable, tune.PlacementGroupFactory([TRAINABLE_RESOURCES])),
                tune_config=tune.TuneConfig(
                    search_alg=ConcurrencyLimiter(searcher, max_concurrent=at_once),
                    num_samples=-1,  # the job queue ends the search
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    verbose=0,
                    callbacks=[recorder],
                    storage_path=scratch,  # for files that Tune always writes
                    failure_config=tune.FailureConfig(max_failures=max_failures),
                ),
            ).fit()
    except (TuneError, LookaheadRayError, TimeIsUpError) as error:
        # Tune wraps what a callback raises in its own error
        if recorder.time_is_up:
            return
        raise (recorder.error or searcher.error or error) from error
    if recorder.error:  # of the last trial
        raise recorder.error


class _QueueSearcher(NeverRestored, Searcher):
    """Tune's searcher interface over a job queue. `RecordingCallback` handles the ends of trials."""

    def __init__(
        self,
        job_queue: JobQueue,
        decisions: Any,
        checkpoints: Callable[[str], Checkpoints | None],
        elastic: ElasticConfig | None = None,
        hang_minutes: float | None = None,
        quota: CallQuota | None = None,
    ) -> None:
        super().__init__()
        self._quota = quota
        self.error: LookaheadRayError | None = None  # what ended the sweep
        self._elastic, self._hang_minutes = elastic, hang_minutes
        self._job_queue = job_queue
        self._decisions = decisions
        self._checkpoints = checkpoints

    def suggest(self, trial_id: str) -> Any:
        try:
            found = self._job_queue.next_job()
        except LookaheadRayError as error:
            self.error = error
            raise
        match found:
            case Job() as job:
                job = replace(
                    job,
                    checkpoints=self._checkpoints(job.trial_id),
                    elastic=self._elastic,
                    hang_minutes=self._hang_minutes,
                    quota=self._quota,
                )
                return {"job": job, "decisions": self._decisions}
            case NoJob.BLOCKED:
                return None
            case NoJob.EXHAUSTED:
                return str(Searcher.FINISHED)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a sweep resumes from its tables, not from Tune's snapshots")
