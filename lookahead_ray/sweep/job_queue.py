"""The job queue of a sweep: selects the next job and processes finished ones. Does not use Ray.

Reference trials come first, then the search's suggestions, then repeats of the best with other random seeds.

`Limits` decides when a sweep ends: by the budget, and by the repeats that confirm the best.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.sweep.interfaces import Observer
from lookahead_ray.sweep.recommend.confirm import next_repeats
from lookahead_ray.sweep.search.jobs import REFERENCE_ROLES, make_job
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.sweep.stopping.budget import HOUR_S, end_reason, hours_of, measure_limits, time_is_up
from lookahead_ray.sweep.stopping.early_stopping import EarlyStopping
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord


class NoJob(Enum):
    """The reason why there is no next job."""

    BLOCKED = "the next job depends on the results of running trials"
    EXHAUSTED = "there are no further jobs"


class Limits:
    """Limits of a sweep, computed from the trial log at each call; the session's clock starts on creation."""

    def __init__(
        self,
        sweep: Sweep,
        trial_log: TrialLog,
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sweep = sweep
        self._trial_log = trial_log
        self._observer = observer
        self._clock = clock
        self._hours_before = hours_of(trial_log.records)  # of earlier sessions
        self._started_s = clock()

    def search_ended(self, searched: int) -> bool:
        """Return whether the search has ended, given its number of trials, running ones included."""
        records, references, config = self._trial_log.records, self._trial_log.references, self._sweep.search
        found = measure_limits(records, references, config, searched=searched, hours=self._hours())
        reason = end_reason(found)
        text = " · ".join(limit.text for limit in found)
        self._observer.budget(f"{text} · search ended: {reason}" if reason else text)
        return reason is not None

    def repeats(self) -> Sequence[Job]:
        """Return the next round of repeats with other random seeds; none without `search.confirm` or time."""
        records, config = self._trial_log.records, self._sweep.search
        if config.confirm is None or time_is_up(records, config, self._hours()):
            return ()
        by_id = {record.trial_id: record for record in records}
        repeats = next_repeats(records, self._sweep.objective, config.confirm)
        first = 1 + sum(record.role == "repeat" for record in records)
        jobs = []
        for number, repeat in enumerate(repeats, start=first):
            trial = TrialConfig.model_validate(repeat.config)
            jobs.append(make_job(f"repeat-{number:03d}", "repeat", trial, by_id[repeat.of].params))
        return jobs

    def _hours(self) -> float:
        return self._hours_before + (self._clock() - self._started_s) / HOUR_S


class JobQueue:
    """A queue that returns jobs one by one and receives the record of each.

    A job is waiting, then running (from `next_job` on), then ended (from `finish` on). An ended trial is
    committed at once, except vanilla before the seed model: it is held.
    """

    def __init__(
        self,
        references: Sequence[Job],
        search: Search,
        trial_log: TrialLog,
        stopping: EarlyStopping,
        limits: Limits,
    ) -> None:
        """Create the queue; `references` are the reference jobs left to run."""
        self._waiting = list(references)
        self._search = search
        self._trial_log = trial_log
        self._stopping = stopping
        self._limits = limits
        self._searching = True
        self._searched = sum(record.role == "search" for record in trial_log.records)
        self._running: dict[str, Job] = {}  # by trial id
        self._held: list[TrialRecord] = []  # ended, not committed

    def has_work(self) -> bool:
        """Return whether there is any job to run; otherwise Ray needn't start."""
        if not self._waiting:
            job = self._next()
            self._waiting = [job] if isinstance(job, Job) else []
        return bool(self._waiting)

    def next_job(self) -> Job | NoJob:
        """Return the next job; the caller runs it and passes its record to `finish`."""
        job = self._next()
        if isinstance(job, Job):
            self._running[job.trial_id] = job
        return job

    def goes_on(self, job: Job, signal: Signal) -> bool:
        """Return whether a running trial continues training, given its signal at an epoch's end."""
        references = self._trial_log.references
        return references is None or self._stopping.may_continue(
            job.trial_id, signal, job.config["training"]["epochs"], references
        )

    def finish(self, record: TrialRecord) -> None:
        """Commit a trial; vanilla is held until the seed model's trial ends, which its objective needs."""
        self._running.pop(record.trial_id, None)
        self._held.append(record)
        seed_runs = any(job.role == "seed" for job in [*self._running.values(), *self._waiting])
        if record.role == "vanilla" and seed_runs:
            return
        seed_first = sorted(self._held, key=lambda held: held.role != "seed")
        for ended in seed_first:
            scored = self._trial_log.finish(ended)
            if scored.role == "search":
                self._search.tell(scored, self._stopping.estimate(scored, self._trial_log.references))
            if scored.role in REFERENCE_ROLES and (references := self._trial_log.references):
                self._stopping.learn([references.vanilla], references)
                self._search.learn_references(references)
        self._held.clear()

    def _next(self) -> Job | NoJob:
        """Take the next job: of the waiting ones, else of the search, else of a new round of repeats."""
        if self._waiting:
            return self._waiting.pop(0)
        if self._trial_log.references is None:
            return NoJob.BLOCKED if self._running else NoJob.EXHAUSTED
        if self._searching and (job := self._suggested()):
            return job
        self._searching = False
        if self._running:
            return NoJob.BLOCKED
        self._waiting = list(self._limits.repeats())
        return self._waiting.pop(0) if self._waiting else NoJob.EXHAUSTED

    def _suggested(self) -> Job | None:
        """Return the search's next suggestion; None once the search has ended."""
        if self._limits.search_ended(self._searched):
            return None
        job = self._search.ask()
        self._searched += job is not None
        return job and replace(job, may_stop=self._stopping.enabled)
