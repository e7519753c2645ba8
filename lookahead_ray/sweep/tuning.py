"""Trials through Ray Tune: a searcher that asks for jobs, a callback that turns their ends into records."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.util.placement_group import PlacementGroup, remove_placement_group

from lookahead_ray.sweep.ledger import Ledger
from lookahead_ray.sweep.observer import Observer, TrialProgress
from lookahead_ray.sweep.search import Search
from lookahead_ray.trial.launch import FAILURE, GROUP, MEASUREMENT, PROGRESS, Job, run_job
from lookahead_ray.trial.outcome import completed_record, failed_record
from lookahead_ray.trial.record import TrialRecord

# The trainable only waits for its worker group. Tune refuses an empty request, and a share of a core would
# keep the last trial from fitting; the head node's own resource is there in any cluster and never runs out.
TRAINABLE_RESOURCES = {"node:__internal_head__": 0.0001}


class Trials:
    """Runs jobs on the connected cluster, `at_once` of them at a time."""

    def __init__(self, sweep_id: str, at_once: int, ledger: Ledger, observer: Observer) -> None:
        self._sweep_id = sweep_id
        self._at_once = at_once
        self._ledger = ledger
        self._observer = observer

    def run(self, jobs: Iterable[Job]) -> None:
        """Run all `jobs`."""
        queue = list(jobs)
        self._fit(lambda: queue.pop(0) if queue else None, len(queue), self._ledger.finish)

    def search(self, search: Search, count: int) -> None:
        """Run up to `count` jobs that `search` suggests; it is told each result."""

        def finish(record: TrialRecord) -> None:
            search.tell(self._ledger.finish(record))

        self._fit(search.ask, count, finish)

    def _fit(
        self, ask: Callable[[], Job | None], count: int, finish: Callable[[TrialRecord], object]
    ) -> None:
        if count < 1:
            return
        scratch = tempfile.mkdtemp(prefix="lookahead-ray-")  # for what Tune insists on writing
        tuner = tune.Tuner(
            tune.with_resources(run_job, tune.PlacementGroupFactory([TRAINABLE_RESOURCES])),
            tune_config=tune.TuneConfig(
                search_alg=ConcurrencyLimiter(_Asking(ask), max_concurrent=self._at_once), num_samples=count
            ),
            run_config=tune.RunConfig(
                verbose=0, callbacks=[_Watching(self._sweep_id, finish, self._observer)], storage_path=scratch
            ),
        )
        try:
            tuner.fit()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


class _NeverRestored:
    """Left empty in Tune's snapshots of itself, which are written but never read: the tables hold what
    it takes to go on, and what these objects refer to (a live view, a store) can't be pickled."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Asking(_NeverRestored, Searcher):
    """Tune's searcher interface over a function that gives jobs. `_Watching` sees the ends."""

    def __init__(self, ask: Callable[[], Job | None]) -> None:
        super().__init__()
        self._ask = ask

    def suggest(self, trial_id: str) -> Any:
        job = self._ask()
        return self.FINISHED if job is None else {"job": job}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a sweep resumes from its tables, not from Tune's snapshots")


class _Watching(_NeverRestored, Callback):
    """Turns what Tune sees of trials into records and progress."""

    def __init__(self, sweep_id: str, finish: Callable[[TrialRecord], object], observer: Observer) -> None:
        self._sweep_id = sweep_id
        self._finish = finish
        self._observer = observer
        self._started: dict[str, tuple[float, str]] = {}
        self._groups: dict[str, str] = {}  # placement group of each running trial's workers

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        job = _job(trial)
        self._started[job.trial_id] = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        self._observer.trial_started(job.trial_id, job.role, job.label)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if PROGRESS in result:
            self._groups[_job(trial).trial_id] = result[GROUP]
            self._observer.trial_progress(_job(trial).trial_id, TrialProgress(**result[PROGRESS]))

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        result = trial.last_result
        job, (start, started_at) = _job(trial), self._started.pop(_job(trial).trial_id)
        if MEASUREMENT in result:
            record = completed_record(
                job, self._sweep_id, started_at, time.monotonic() - start, result[MEASUREMENT]
            )
        else:
            error = result.get(FAILURE, "the trial ended without a result")
            record = failed_record(job, self._sweep_id, started_at, time.monotonic() - start, error)
        self._finish(record)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        job = _job(trial)
        _release(self._groups.pop(job.trial_id, ""))
        start, started_at = self._started.pop(job.trial_id, (time.monotonic(), ""))
        error = trial.get_error()
        text = f"{type(error).__name__}: {error}" if error else "the trial's process died"
        self._finish(failed_record(job, self._sweep_id, started_at, time.monotonic() - start, text))


def _release(group: str) -> None:
    """Give back the workers' placement group of a trial whose process died.

    Nobody else does: Ray Train's own cleaner asks the dashboard, which does not run here, and the next trial
    would wait for the cores for ever.
    """
    if group:
        remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(group))))


def _job(trial: Any) -> Job:
    job: Job = trial.config["job"]
    return job
