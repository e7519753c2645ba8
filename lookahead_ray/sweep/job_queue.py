"""The job queue of a sweep: selects the next job and processes finished ones. Does not use Ray.

Reference trials come first, then the search's suggestions, then repeats of the best with other random seeds.

A trial that fails through the infrastructure has no record. It runs again after the search's other trials,
and the sweep stops when several fail so in a row. A trial begun `LAST_FROM` times without result runs last,
too.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

from lookahead_ray.config.merge import share_of
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.errors import InfrastructureError, TrialError
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.objective.measuring_end import MeasuringEnd, end_rule
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.attempts import Attempts
from lookahead_ray.sweep.interfaces import Observer
from lookahead_ray.sweep.limits import Limits
from lookahead_ray.sweep.search.jobs import REFERENCE_ROLES
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.sweep.stopping.budget import accelerators
from lookahead_ray.sweep.stopping.early_stopping import EarlyStopping
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import ChooseShare, Job
from lookahead_ray.trial.record import TrialRecord, failed_record, utc_now
from lookahead_ray.trial.trainings import count_trainings, points_of_vanilla

LAST_FROM = 3
"""Number of attempts without result from which on a trial runs after all others: it may kill its driver."""

MOST_UNJUDGED = 3
"""Number of trials in a row whose judge was down after which the search waits: it would learn nothing."""


class NoJob(Enum):
    """The reason why there is no next job."""

    BLOCKED = "the next job depends on the results of running trials"
    EXHAUSTED = "there are no further jobs"


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
        attempts: Attempts | None = None,
        search_config: SearchConfig | None = None,
        observer: Observer | None = None,
        judge_again: Callable[[], Sequence[TrialRecord]] = lambda: (),
    ) -> None:
        """Create the queue.

        Args:
            references: the reference jobs left to run.
            judge_again: judges the unjudged trials again and returns those that are completed.
        """
        self._judge_again = judge_again
        # one that was unjudged before this session and is still: its judge seems to be down
        self._unjudged_in_row = MOST_UNJUDGED - 1 if trial_log.unjudged else 0
        self._attempts = attempts or Attempts()
        self._config = search_config or SearchConfig()
        self._observer = observer
        self._later: list[Job] = []  # after the search's other trials
        self._failed_in_row = 0  # through the infrastructure
        self._waiting = list(references)
        self._search = search
        self._trial_log = trial_log
        self._stopping = stopping
        self._limits = limits
        self._searching = True
        self._searched = count_trainings(trial_log.records, "search")
        self._running: dict[str, Job] = {}  # by trial id
        self._held: list[Sequence[TrialRecord]] = []  # points of ended trials that are not committed

    def has_work(self) -> bool:
        """Return whether there is any job to run; otherwise Ray needn't start."""
        if not self._waiting:
            job = self._next()
            self._waiting = [job, *self._waiting] if isinstance(job, Job) else []
        return bool(self._waiting)

    def next_job(self) -> Job | NoJob:
        """Return the next job; the caller runs it and passes its record to `finish`."""
        job = self._next()
        if isinstance(job, Job):
            self._running[job.trial_id] = job
            self._attempts.begin(job.trial_id, accelerators(job.config))
        return job

    def goes_on(self, job: Job, signal: Signal) -> bool:
        """Return whether a running trial continues training, given its signal at an epoch's end."""
        references = self._trial_log.references
        return references is None or self._stopping.may_continue(
            job.trial_id, signal, job.config["training"]["epochs"], references
        )

    def progressed(self, trial_id: str) -> None:
        """Note that a running trial has a new checkpoint."""
        self._attempts.progressed(trial_id)

    def check_hours(self) -> bool:
        """Return whether the running trials end now, as the time is used up; references are completed."""
        self._attempts.note_alive()
        if self._trial_log.references is None or not self._limits.hours_are_up():
            return False
        self._limits.search_ended(self._searched)  # says so
        return True

    def finish(self, record: TrialRecord, *further: TrialRecord, of_infrastructure: bool = False) -> None:
        """Commit a trial; vanilla is held until the seed model's trial ends, which its objective needs.

        Args:
            further: the other points of its training.
            of_infrastructure: whether a failed trial failed through the infrastructure. It is not committed
                while `max_attempts` admits another attempt.

        Raises:
            TrialError: a reference failed, so no trial can be scored; it is committed.
            InfrastructureError: too many trials in a row failed through the infrastructure.
            StoreError: the trial can't be committed.
        """
        job = self._running.pop(record.trial_id, None)
        if not of_infrastructure:
            self._failed_in_row = 0
        elif job:
            self._failed_in_row += 1
            self._attempts.fail(record.trial_id, record.error or "")
            attempts, most = self._attempts.count(record.trial_id), self._config.max_attempts
            stops = self._failed_in_row >= self._config.stop_after_failures
            if attempts < most:
                if self._observer:
                    self._observer.trial_set_aside(record.trial_id, record.error or "", attempts, most)
                (self._waiting if job.role in REFERENCE_ROLES else self._later).append(job)
            else:
                self._commit(record)
            if stops:
                raise InfrastructureError(self._why_it_stops(record))
            return
        self._commit(record, *further)

    def _commit(self, record: TrialRecord, *further: TrialRecord) -> None:
        self._held.append((record, *further))
        seed_runs = any(job.role == "seed" for job in [*self._running.values(), *self._waiting])
        if record.role == "vanilla" and seed_runs:
            return
        seed_first = sorted(self._held, key=lambda points: points[0].role != "seed")
        for points in seed_first:
            scored, *others = self._trial_log.finish_training(points)
            self._attempts.end(scored.trial_id)
            if scored.role == "search":
                estimate = self._stopping.estimate_training([scored, *others], self._trial_log.references)
                self._search.tell(scored, estimate, others)
            if scored.role in REFERENCE_ROLES:
                self._learn_references()
        self._held.clear()
        self._note_verdicts(seed_first)
        if any(one.role in REFERENCE_ROLES and one.status == "failed" for one, *_ in seed_first):
            reason = self._trial_log.reference_error()
            raise TrialError(f"a reference failed, so no trial can be scored: {reason}")

    def _learn_references(self) -> None:
        """Pass the references on to the rules that need them, once both are completed."""
        if references := self._trial_log.references:
            self._stopping.learn([references.vanilla], references)
            self._search.learn_references(references, points_of_vanilla(self._trial_log.records))

    def _note_verdicts(self, ended: Sequence[Sequence[TrialRecord]]) -> None:
        """Count trials whose judge was down; once one is judged, judge the earlier ones again."""
        for points in ended:
            if any(point.status == "unjudged" for point in points):
                self._unjudged_in_row += 1
            elif any(point.status in ("completed", "partial") for point in points):
                self._unjudged_in_row = 0
        if not self._unjudged_in_row:
            self._judge_late()

    def _judge_late(self) -> bool:
        """Judge the unjudged trials again and report them to the search; return whether none is left."""
        if self._trial_log.unjudged:
            completed = self._judge_again()
            known = self._trial_log.records
            references = {record.training for record in known if record.role in REFERENCE_ROLES}
            if any(record.training in references for record in completed):
                self._learn_references()
            for training in {record.training: record for record in completed}.values():
                first, *others = self._trial_log.of_training(training)
                if first.role == "search":
                    self._search.tell(first, further=others)
        return not self._trial_log.unjudged

    def _why_it_stops(self, record: TrialRecord) -> str:
        failed = self._failed_in_row
        many = "a trial" if failed == 1 else f"{failed} trials in a row"
        return (
            f"stopped, as {many} failed through the infrastructure, not the configuration; the last is "
            f"{record.trial_id}: {(record.error or 'no error text').splitlines()[0]}; fix the cause, then "
            "continue with --resume, which runs them again"
        )

    def _next(self) -> Job | NoJob:
        """Take the next job: of the waiting ones, else of the search, else of a new round of repeats."""
        without_references = self._trial_log.references is None
        if self._waiting and self._waiting[0].role == "repeat" and self._limits.time_is_up():
            self._waiting.clear()
        while self._waiting and not (without_references and self._trial_log.unjudged):
            waiting = self._waiting.pop(0)
            if waiting.role != "repeat" or not self._gave_up(waiting):
                return waiting
        if without_references:
            return NoJob.BLOCKED if self._running else NoJob.EXHAUSTED
        if self._searching and self._unjudged_in_row >= MOST_UNJUDGED:
            if self._running:
                return NoJob.BLOCKED
            if not self._judge_late():
                return NoJob.EXHAUSTED
            self._unjudged_in_row = 0
        if self._searching and (job := self._suggested()):
            return job
        self._searching = False
        if self._later and not self._limits.time_is_up():
            return self._later.pop(0)
        if self._running:
            return NoJob.BLOCKED
        if self._later:
            return NoJob.EXHAUSTED  # they stay as they are, for --resume with a larger budget
        if not self._judge_late():
            return NoJob.EXHAUSTED  # the best are not known yet
        self._waiting = list(self._limits.repeats())
        return self._next() if self._waiting else NoJob.EXHAUSTED

    def _rule_of(self, job: Job) -> ChooseShare | None:
        """Return the rule by which the shares of a merge with `auto` are chosen; None without."""
        references = self._trial_log.references
        if references is None or share_of(job.config) != "auto":
            return None
        return make_objective(self._trial_log.objective).share_rule(references)

    def _end_of_measuring(self) -> MeasuringEnd | None:
        """Return the rule that ends the measuring of a search trial's points; None measures them whole."""
        references = self._trial_log.references
        if references is None or self._config.measure == "whole":
            return None
        known = self._trial_log.records
        points = [one for one in known if one.role == "search" and one.status == "completed"]
        return end_rule(make_objective(self._trial_log.objective).comparisons(references, points))

    def _suggested(self) -> Job | None:
        """Return the search's next suggestion that does not run later; None once the search has ended."""
        while not self._limits.search_ended(self._searched):
            job = self._search.ask()
            if job is None:
                return None
            self._searched += 1
            job = replace(
                job,
                may_stop=self._stopping.enabled,
                choose_share=self._rule_of(job),
                end_measuring=self._end_of_measuring(),
            )
            if self._gave_up(job):
                continue
            attempts = self._attempts.count(job.trial_id)
            if attempts >= LAST_FROM and self._attempts.error(job.trial_id) is None:
                self._later.append(job)
            else:
                return job
        return None

    def _gave_up(self, job: Job) -> bool:
        """Commit the job as failed if it was begun too often; return whether it was."""
        attempts = self._attempts.count(job.trial_id)
        if attempts < self._config.max_attempts:
            return False
        error = self._attempts.error(job.trial_id) or "the driver was killed each time"
        error = f"begun {attempts} times without result: {error}"
        sweep_id = self._trial_log.records[0].sweep_id  # the references are there before a search
        self._commit(failed_record(job, sweep_id, utc_now(), 0.0, error))
        return True
