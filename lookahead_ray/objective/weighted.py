"""The objective `weighted`: w · S + (1 - w) · U, where w is the safety weight."""

from collections.abc import Sequence

import numpy as np

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.objective.base import (
    ObjectiveValues,
    ReferenceTrials,
    RelativeScores,
    safety_of,
    standing,
    utility_scale,
)
from lookahead_ray.objective.judgement import ObjectiveJudgement, judge_by_merit
from lookahead_ray.objective.measuring_end import EndComparison, metric_value, safety_value
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.objective.share_choice import WeightedBisection, point_scale
from lookahead_ray.stats.simultaneous import Bootstrapped, combined
from lookahead_ray.trial.record import TrialRecord


class WeightedSum(SearchObjective[WeightedObjective]):
    """One value: the weighted mean of S and U."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name of the only value."""
        return ("weighted",)

    def values(self, scores: RelativeScores[float]) -> ObjectiveValues:
        """Return the weighted mean."""
        weight = self.config.safety_weight
        return ObjectiveValues((weight * scores.safety_kept + (1 - weight) * scores.utility_kept,))

    def comparisons(
        self, references: ReferenceTrials, points: Sequence[TrialRecord]
    ) -> tuple[EndComparison, ...]:
        """Return the comparison with the best point so far, or with vanilla if that is better."""
        known = [record for record in (references.vanilla, *points) if record.objectives]
        if not known:
            return ()
        best, weight, parts = min(known, key=standing), self.config.safety_weight, self.config.safety
        value = (
            *safety_value(best, parts, weight / safety_of(references.seed, parts)),
            *metric_value(best, "utility", (1 - weight) * utility_scale(references)),
        )
        return (EndComparison(f"objective below that of {best.trial_id}", (value,)),)

    def share_rule(self, references: ReferenceTrials) -> WeightedBisection | None:
        """Return the search for the best share."""
        scale = point_scale(self.config, references)
        return WeightedBisection(scale, self.config.safety_weight) if scale else None

    def judge(self, scores: RelativeScores[Bootstrapped]) -> ObjectiveJudgement:
        """Judge candidates by the weighted mean."""
        weight, parts = self.config.safety_weight, [scores.safety_kept, scores.utility_kept]
        answer = np.maximum(weight * parts[0].answer, (1 - weight) * parts[1].answer)
        return judge_by_merit(
            combined(lambda kept, gained: weight * kept + (1 - weight) * gained, parts, answer)
        )

    def describe(self) -> str:
        """Return the formula."""
        weight = self.config.safety_weight
        return f"{weight:g} · safety + {1 - weight:g} · utility"
