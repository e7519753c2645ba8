"""Which job of a sweep comes next, and what becomes of finished ones. No Ray in here.

References come first, then what the search suggests, then repeats with other seeds of what looks best.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from lookahead_ray.evaluate.generation import Signal
from lookahead_ray.sweep.jobs import REFERENCE_ROLES
from lookahead_ray.sweep.ledger import Ledger
from lookahead_ray.sweep.limits import Limits
from lookahead_ray.sweep.search import Search
from lookahead_ray.sweep.stopping import Stopping
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord


class NoJob(Enum):
    """Why there is no job to give."""

    LATER = "what comes next depends on what is running"
    NEVER = "nothing comes any more"


class Agenda:
    """Hands out jobs one by one, and takes each one's record."""

    def __init__(
        self,
        references: Sequence[Job],
        search: Search,
        ledger: Ledger,
        stopping: Stopping,
        limits: Limits,
    ) -> None:
        """`references` are those that are left to run."""
        self._waiting = list(references)
        self._search = search
        self._ledger = ledger
        self._stopping = stopping
        self._limits = limits
        self._searching = True
        self._searched = sum(record.role == "search" for record in ledger.records)
        self._running: dict[str, Job] = {}
        self._held: list[TrialRecord] = []

    def has_work(self) -> bool:
        """Whether there is anything to run; Ray needn't start otherwise."""
        if not self._waiting:
            found = self._next()
            self._waiting = [found] if isinstance(found, Job) else []
        return bool(self._waiting)

    def ask(self) -> Job | NoJob:
        """The next job; whoever asks runs it and hands its record to `finish`."""
        found = self._next()
        if isinstance(found, Job):
            self._running[found.trial_id] = found
        return found

    def _next(self) -> Job | NoJob:
        if self._waiting:
            return self._waiting.pop(0)
        if self._ledger.references is None:
            return NoJob.LATER if self._running else NoJob.NEVER
        if self._searching and (job := self._suggested()):
            return job
        self._searching = False
        if self._running:
            return NoJob.LATER
        self._waiting = list(self._limits.repeats())
        return self._waiting.pop(0) if self._waiting else NoJob.NEVER

    def _suggested(self) -> Job | None:
        if self._limits.search_ended(self._searched):
            return None
        job = self._search.ask()
        self._searched += job is not None
        return job and replace(job, may_stop=self._stopping.stops)

    def goes_on(self, job: Job, signal: Signal) -> bool:
        """Whether a running trial is trained further, after what was measured at an epoch's end."""
        references = self._ledger.references
        return references is None or self._stopping.goes_on(
            job.trial_id, signal, job.config["training"]["epochs"], references
        )

    def finish(self, record: TrialRecord) -> None:
        """Commit a trial; vanilla waits for the seed, without which it has no objective."""
        self._running.pop(record.trial_id, None)
        self._held.append(record)
        seed_runs = any(job.role == "seed" for job in [*self._running.values(), *self._waiting])
        if record.role == "vanilla" and seed_runs:
            return
        for ended in sorted(self._held, key=lambda held: held.role != "seed"):
            scored = self._ledger.finish(ended)
            if scored.role == "search":
                self._search.tell(scored, self._stopping.told(scored, self._ledger.references))
            if scored.role in REFERENCE_ROLES and (references := self._ledger.references):
                self._stopping.learn([references.vanilla], references)
                self._search.learn_references(references)
        self._held.clear()
