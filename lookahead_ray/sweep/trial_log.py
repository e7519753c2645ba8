"""The finished trials of a sweep: scored against the references, committed, announced. Does not use Ray."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lookahead_ray.config.objective import Objective
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.interfaces import Observer
from lookahead_ray.sweep.search.references import references_among
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import Role, TextStripper, TrialRecord


class TrialLog:
    """The records of a sweep, each once and without texts (see trial/record.py), in the order of commits."""

    def __init__(
        self,
        objective: Objective,
        committed: Sequence[TrialRecord],
        commit: Callable[[TrialRecord], None],
        observer: Observer,
    ) -> None:
        self._objective = make_objective(objective)
        self._commit = commit
        self._observer = observer
        self._stripper = TextStripper()
        self.records = list(map(self._stripper.strip_texts, committed))

    @property
    def references(self) -> ReferenceTrials | None:
        """Return both reference trials, or None until both are completed."""
        return references_among(self.records)

    @property
    def unjudged(self) -> list[TrialRecord]:
        """Return the trials whose judge was down: seed model, vanilla, then in the order of commits."""
        first: dict[Role, int] = {"seed": 0, "vanilla": 1}
        found = [record for record in self.records if record.status == "unjudged"]
        return sorted(found, key=lambda record: first.get(record.role, 2))

    def reference_error(self) -> str:
        """Return in words why the reference trials are missing."""
        failed = [r for r in self.records if r.role in ("seed", "vanilla") and r.status == "failed"]
        errors = [f"{record.role}: {record.error}" for record in failed]
        return "; ".join(errors) or "a reference was not run"

    def finish(self, record: TrialRecord) -> TrialRecord:
        """Score, commit and announce a finished trial; return the scored record."""
        scored = self._scored(record)
        self._commit(scored)
        slim = self._stripper.strip_texts(scored)
        self.records.append(slim)
        self._observer.trial_finished(slim)
        return slim

    def complete(self, record: TrialRecord, write: Callable[[TrialRecord], None]) -> TrialRecord:
        """Score, `write` and announce a trial that is judged by now; it comes last, as if it ended now.

        The trial is `unjudged` so far, or vanilla that lacks an objective as the seed model was unjudged.
        """
        scored = self._scored(record)
        write(scored)
        slim = self._stripper.strip_texts(scored)
        self.records = [known for known in self.records if known.trial_id != slim.trial_id] + [slim]
        self._observer.trial_finished(slim)
        return slim

    def take_over(self, references: Sequence[TrialRecord], left: Sequence[Job], sweep_id: str) -> None:
        """Commit the `references` of another sweep as this sweep's own, if they are `left` to run."""
        for job in left:
            for record in references:
                if record.role == job.role:
                    unscored = replace(record, objective=None, objectives=(), constraint=None, safety=None)
                    self.finish(replace(unscored, sweep_id=sweep_id, trial_id=job.trial_id))

    def _scored(self, record: TrialRecord) -> TrialRecord:
        # The seed model is scored first: its objective does not depend on vanilla's gain, as its U is 0.
        seed = record if record.role == "seed" else self._completed("seed")
        vanilla = record if record.role in ("seed", "vanilla") else self._completed("vanilla")
        if seed is None or vanilla is None:
            return record
        found = self._objective.score(record, ReferenceTrials(seed, vanilla))
        return replace(
            record,
            objective=found.objective,
            objectives=found.objectives,
            constraint=found.constraint,
            safety=record.safety if found.safety is None else found.safety,
        )

    def _completed(self, role: Role) -> TrialRecord | None:
        found = (r for r in self.records if r.role == role and r.status == "completed")
        return next(found, None)
