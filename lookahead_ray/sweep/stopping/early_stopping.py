"""Early stopping in a sweep: signals, mapped to the references' scale, compared by successive halving."""

from collections.abc import Sequence
from dataclasses import replace

from lookahead_ray.config.load import Sweep
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.objective.base import ObjectiveValues, ReferenceTrials, standing_of
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.stopping.estimate import estimate_scores
from lookahead_ray.sweep.stopping.successive_halving import SuccessiveHalving
from lookahead_ray.trial.record import TrialRecord


class EarlyStopping:
    """Stopping decisions after each epoch; trials `committed` before count as if they had just run."""

    def __init__(
        self, sweep: Sweep, committed: Sequence[TrialRecord], references: ReferenceTrials | None
    ) -> None:
        self._parts = sweep.objective.safety
        self._objective = make_objective(sweep.objective)
        self._halving = SuccessiveHalving(sweep.search.stopping) if sweep.search.stopping else None
        if references:
            self.learn([record for record in committed if record.role in ("vanilla", "search")], references)

    @property
    def enabled(self) -> bool:
        """Return whether trials may be stopped early."""
        return self._halving is not None

    def estimate(self, record: TrialRecord, references: ReferenceTrials | None) -> ObjectiveValues | None:
        """Return the estimated values of a trial that ended early, for the sampler.

        Those of a stopped trial are from its last signal, those of a partial one from the prompts that were
        asked. None if the trial did not end early or can't be estimated.
        """
        if record.status == "partial" and references:
            found = self._objective.score(replace(record, status="completed"), references)
            return ObjectiveValues(found.objectives, found.constraint) if found.objectives else None
        if record.status != "stopped" or not record.signals or not references:
            return None
        scores = estimate_scores(record.signals[-1], references, self._parts)
        return self._objective.estimate(scores) if scores else None

    def estimate_training(
        self, points: Sequence[TrialRecord], references: ReferenceTrials | None
    ) -> ObjectiveValues | None:
        """Return the best estimate among the points of a training; None if no point has one."""
        found = [one for point in points if (one := self.estimate(point, references))]
        return min(found, key=standing_of, default=None)

    def learn(self, records: Sequence[TrialRecord], references: ReferenceTrials) -> None:
        """Add ended trials to those that later trials are compared with."""
        for record in records:
            for signal in record.signals:
                self._add(record.trial_id, signal, references)

    def may_continue(self, trial_id: str, signal: Signal, epochs: int, references: ReferenceTrials) -> bool:
        """Return whether a trial of `epochs` in total continues; True if nothing can be estimated."""
        added = self._add(trial_id, signal, references)
        if self._halving is None or not added:
            return True
        return self._halving.may_continue(trial_id, signal.epoch, epochs)

    def _add(self, trial_id: str, signal: Signal, references: ReferenceTrials) -> bool:
        scores = estimate_scores(signal, references, self._parts)
        if self._halving is None or scores is None:
            return False
        self._halving.add(trial_id, signal.epoch, self._objective.ranking_values(scores))
        return True
