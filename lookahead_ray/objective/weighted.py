"""The objective `weighted`: w · S + (1 - w) · U, where w is the safety weight."""

import numpy as np

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.objective.base import ObjectiveValues, RelativeScores
from lookahead_ray.objective.judgement import (
    FIRST_CANDIDATE,
    VANILLA,
    ObjectiveJudgement,
    candidate_columns,
    indices_where,
    rank_best_first,
)
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.objective.wording import adjustment, compared_with_vanilla, interval_text
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
        """Judge candidates by the weighted mean: a better one is above vanilla's."""
        weight, parts = self.config.safety_weight, [scores.safety_kept, scores.utility_kept]
        answer = np.maximum(weight * parts[0].answer, (1 - weight) * parts[1].answer)
        merit = combined(lambda kept, gained: weight * kept + (1 - weight) * gained, parts, answer)
        difference = merit.minus(VANILLA).simultaneous(candidate_columns(merit))
        values = merit.point[FIRST_CANDIDATE:]
        return ObjectiveJudgement(
            merit=merit,
            order=rank_best_first([(-float(value),) for value in values]),
            better=indices_where(interval.low > 0 for interval in difference),
            possible=frozenset(range(len(values))),
            difference=tuple(difference),
        )

    def describe(self) -> str:
        """Return the formula."""
        weight = self.config.safety_weight
        return f"{weight:g} · safety + {1 - weight:g} · utility"

    def explain(self, judged: ObjectiveJudgement, index: int) -> str:
        """Return the difference of the weighted mean to vanilla's."""
        difference = judged.difference[index]
        interval = f"{interval_text(difference)}{adjustment(judged)}"
        return f"its objective is {compared_with_vanilla(difference)} ({interval})"

    def explain_rejection(self, judged: ObjectiveJudgement) -> str:
        """Return that vanilla is not exceeded."""
        return "no candidate beats vanilla beyond the noise"
