"""Trials through Ray Tune: a searcher that asks for jobs, a callback that turns their ends into records."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ray import tune
from ray.tune import Callback
from ray.tune.search import ConcurrencyLimiter, Searcher

from lookahead_ray.evaluate.generation import Signal
from lookahead_ray.sweep.interrupt import Interrupt
from lookahead_ray.sweep.ledger import Ledger
from lookahead_ray.sweep.observer import Observer, TrialProgress
from lookahead_ray.sweep.search import Search
from lookahead_ray.sweep.stopping import Stopping
from lookahead_ray.trial.decisions import Decisions
from lookahead_ray.trial.group import GROUP, MEASUREMENT, PROGRESS, SIGNAL, release
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.launch import FAILURE, TuneTrial
from lookahead_ray.trial.outcome import completed_record, failed_record
from lookahead_ray.trial.record import TrialRecord, utc_now

# The trainable only waits for its worker group. Tune refuses an empty request, and a share of a core would
# keep the last trial from fitting; the head node's own resource is there in any cluster and never runs out.
TRAINABLE_RESOURCES = {"node:__internal_head__": 0.0001}


def run_trials(
    references: Sequence[Job],
    search: Search,
    count: int,
    *,
    sweep_id: str,
    at_once: int,
    stopping: Stopping,
    ledger: Ledger,
    observer: Observer,
) -> None:
    """Run `references`, then up to `count` jobs that `search` suggests, on the connected cluster.

    The search waits for the references, without which nothing can be scored; if one fails, it does not begin.
    """
    if not references and count < 1:
        return
    agenda = _Agenda(references, search, ledger, stopping)
    interrupt = Interrupt()
    decisions = Decisions.remote()
    watching = _Watching(sweep_id, agenda, decisions, observer, interrupt)
    scratch = tempfile.mkdtemp(prefix="lookahead-ray-")  # for what Tune insists on writing
    tuner = tune.Tuner(
        tune.with_resources(TuneTrial, tune.PlacementGroupFactory([TRAINABLE_RESOURCES])),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(_Asking(agenda.ask, decisions), max_concurrent=at_once),
            num_samples=len(references) + count,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(verbose=0, callbacks=[watching], storage_path=scratch),
    )
    try:
        with interrupt.heeded():
            tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Agenda:
    """Which job comes next, and what becomes of finished ones."""

    def __init__(self, references: Sequence[Job], search: Search, ledger: Ledger, stopping: Stopping) -> None:
        self._stopping = stopping
        self._references = list(references)
        self._running = {job.role for job in references}
        self._held: list[TrialRecord] = []
        self._search = search
        self._ledger = ledger

    def ask(self) -> dict[str, Any] | str | None:
        """As `Searcher.suggest`: None means later."""
        if self._references:
            return {"job": self._references.pop(0)}
        if self._ledger.references is None:
            return None if self._running else Searcher.FINISHED
        job = self._search.ask()
        return Searcher.FINISHED if job is None else {"job": replace(job, may_stop=self._stopping.stops)}

    def goes_on(self, job: Job, signal: Signal) -> bool:
        """Whether a running trial is trained further, after what was measured at an epoch's end."""
        references = self._ledger.references
        return references is None or self._stopping.goes_on(
            job.trial_id, signal, job.config["training"]["epochs"], references
        )

    def finish(self, record: TrialRecord) -> None:
        """Commit a trial; vanilla waits for the seed, without which it has no objective."""
        self._running.discard(record.role)
        self._held.append(record)
        if record.role == "vanilla" and "seed" in self._running:
            return
        for ended in sorted(self._held, key=lambda held: held.role != "seed"):
            scored = self._ledger.finish(ended)
            if scored.role == "vanilla" and self._ledger.references:
                self._stopping.learn([scored], self._ledger.references)
            if ended.role == "search":
                self._search.tell(scored)
        self._held.clear()


class _NeverRestored:
    """Left empty in Tune's snapshots of itself, which are written but never read: the tables hold what
    it takes to go on, and what these objects refer to (a live view, a store) can't be pickled."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Asking(_NeverRestored, Searcher):
    """Tune's searcher interface over a function that suggests. `_Watching` sees the ends."""

    def __init__(self, ask: Callable[[], Any], decisions: Any) -> None:
        super().__init__()
        self._ask = ask
        self._decisions = decisions

    def suggest(self, trial_id: str) -> Any:
        asked = self._ask()
        return {**asked, "decisions": self._decisions} if isinstance(asked, dict) else asked

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a sweep resumes from its tables, not from Tune's snapshots")


class _Watching(_NeverRestored, Callback):
    """Turns what Tune sees of trials into records and progress."""

    def __init__(
        self,
        sweep_id: str,
        agenda: _Agenda,
        decisions: Any,
        observer: Observer,
        interrupt: Interrupt,
    ) -> None:
        self._sweep_id = sweep_id
        self._interrupt = interrupt
        self._agenda = agenda
        self._decisions = decisions
        self._observer = observer
        self._started: dict[str, tuple[float, str]] = {}
        self._groups: dict[str, str] = {}  # placement group of each running trial's workers

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        self._interrupt.check()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        job = _job(trial)
        self._started[job.trial_id] = time.monotonic(), utc_now()
        self._observer.trial_started(job.trial_id, job.role, job.label)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if PROGRESS in result:
            self._groups[_job(trial).trial_id] = result[GROUP]
            self._observer.trial_progress(_job(trial).trial_id, TrialProgress(**result[PROGRESS]))

        if SIGNAL in result:
            signal: Signal = result[SIGNAL]
            goes_on = self._agenda.goes_on(_job(trial), signal)
            self._decisions.make.remote(_job(trial).trial_id, signal.epoch, goes_on)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        result = trial.last_result
        job, (start, started_at) = _job(trial), self._started.pop(_job(trial).trial_id)
        self._groups.pop(job.trial_id, None)
        if MEASUREMENT in result:
            record = completed_record(
                job, self._sweep_id, started_at, time.monotonic() - start, result[MEASUREMENT]
            )
        else:
            error = result.get(FAILURE, "the trial ended without a result")
            record = failed_record(job, self._sweep_id, started_at, time.monotonic() - start, error)
        self._agenda.finish(record)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        job = _job(trial)
        release(self._groups.pop(job.trial_id, ""))
        start, started_at = self._started.pop(job.trial_id, (time.monotonic(), ""))
        error = trial.get_error()
        text = f"{type(error).__name__}: {error}" if error else "the trial's process died"
        self._agenda.finish(failed_record(job, self._sweep_id, started_at, time.monotonic() - start, text))


def _job(trial: Any) -> Job:
    job: Job = trial.config["job"]
    return job
