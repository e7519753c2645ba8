"""The objective `weighted`: w · S + (1 - w) · U, where w is the safety weight."""

import numpy as np

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.objective.base import ObjectiveValues, RelativeScores
from lookahead_ray.objective.judgement import ObjectiveJudgement, judge_by_merit
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.stats.simultaneous import Bootstrapped, combined


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
