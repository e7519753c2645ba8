"""The finished trials of a sweep: scored against the references, committed, announced. Does not use Ray."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lookahead_ray.config.objective import Objective
from lookahead_ray.objective.base import ReferenceTrials, with_score
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.interfaces import Observer
from lookahead_ray.sweep.search.jobs import REFERENCE_ROLES
from lookahead_ray.sweep.search.references import references_among
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import Role, TextStripper, TrialRecord, job_of_point
from lookahead_ray.trial.trainings import group_by_training


class TrialLog:
    """The records of a sweep, each once and without texts (see trial/record.py), in the order of commits."""

    def __init__(
        self,
        objective: Objective,
        committed: Sequence[TrialRecord],
        commit: Callable[..., None],
        observer: Observer,
    ) -> None:
        """Create the log; `commit` takes a record, or all points of a training as several arguments."""
        self.objective = objective
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
        failed = [r for r in self.records if r.role in REFERENCE_ROLES and r.status == "failed"]
        errors = [f"{record.role}: {record.error}" for record in failed]
        return "; ".join(errors) or "a reference was not run"

    def finish(self, record: TrialRecord) -> TrialRecord:
        """Score, commit and announce a finished trial with one point; return the scored record."""
        return self.finish_training([record])[0]

    def finish_training(self, points: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Score, commit together and announce all points of a training; return the scored records."""
        scored: list[TrialRecord] = []
        for record in points:  # further points of vanilla are scored against the first one
            scored.append(self._scored(record, scored))
        self._commit(*scored)
        slim = list(map(self._stripper.strip_texts, scored))
        self.records += slim
        for record in slim:
            self._observer.trial_finished(record)
        return slim

    def of_training(self, record: TrialRecord) -> list[TrialRecord]:
        """Return all points of the training of `record`, the first one first."""
        return group_by_training(each for each in self.records if each.training == record.training)[0]

    def complete(self, record: TrialRecord, write: Callable[[TrialRecord], None]) -> TrialRecord:
        """Score, `write` and announce a trial that is judged by now; it comes last, as if it ended now.

        The trial is `unjudged` so far, or a point of vanilla's training that lacks an objective because a
        reference was unjudged.
        """
        scored = self._scored(record)
        write(scored)
        slim = self._stripper.strip_texts(scored)
        self.records = [known for known in self.records if known.trial_id != slim.trial_id] + [slim]
        self._observer.trial_finished(slim)
        return slim

    def take_over(self, references: Sequence[TrialRecord], left: Sequence[Job], sweep_id: str) -> None:
        """Commit the `references` of another sweep as this sweep's own, if they are `left` to run.

        Further points of vanilla's training are among them. They take no time here (`seconds_total`): it was
        spent in that sweep, not out of this one's budget.
        """
        trainings = {points[0].role: points for points in group_by_training(references)}
        for job in left:
            own = []
            for number, record in enumerate(trainings.get(job.role, ()), start=1):
                unscored = replace(record, objective=None, objectives=(), constraint=None, safety=None)
                unscored = replace(unscored, seconds_total=0.0)
                trial_id = job_of_point(job, number).trial_id
                training_id = job.trial_id if job.trains else None
                own.append(replace(unscored, sweep_id=sweep_id, trial_id=trial_id, training_id=training_id))
            if own:
                self.finish_training(own)

    def _scored(self, record: TrialRecord, before: Sequence[TrialRecord] = ()) -> TrialRecord:
        """Return the record scored against the references, which may be among the points `before` it."""
        # The seed model is scored first: its objective does not depend on vanilla's gain, as its U is 0.
        seed = record if record.role == "seed" else self._completed("seed", before)
        vanilla = record if record.role in REFERENCE_ROLES else self._completed("vanilla", before)
        if seed is None or vanilla is None:
            return record
        return with_score(record, self._objective.score(record, ReferenceTrials(seed, vanilla)))

    def _completed(self, role: Role, before: Sequence[TrialRecord]) -> TrialRecord | None:
        found = (r for r in [*self.records, *before] if r.role == role and r.status == "completed")
        return next(found, None)
