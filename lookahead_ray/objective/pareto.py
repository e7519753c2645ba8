"""The objective `pareto`: S and U, and where the configuration includes it the share of harmless requests
that are answered: 1 - over-refusal, less the unparsed ones."""

from collections.abc import Sequence

import numpy as np

from lookahead_ray.config.objective import ParetoObjective
from lookahead_ray.objective.base import Number, ObjectiveValues, ReferenceTrials, RelativeScores
from lookahead_ray.objective.dominance import Pair, dominates, hypervolume
from lookahead_ray.objective.judgement import (
    FIRST_CANDIDATE,
    VANILLA,
    ObjectiveJudgement,
    candidate_columns,
    indices_where,
    rank_best_first,
)
from lookahead_ray.objective.measuring_end import (
    ComparedValue,
    EndComparison,
    compliance_value,
    metric_value,
    safety_value,
)
from lookahead_ray.objective.search_objective import ReportColumns, SearchObjective
from lookahead_ray.objective.share_choice import FrontBisection, point_scale
from lookahead_ray.objective.wording import adjustment, compared_with_vanilla, interval_text
from lookahead_ray.stats.simultaneous import Array, Bootstrapped, combined, joint
from lookahead_ray.trial.record import TrialRecord

MOST_COMPARED = 3
"""Maximum number of points that a new one is compared with while it is measured: they share the error."""


class ParetoFront(SearchObjective[ParetoObjective]):
    """Two or three values; the result is a front to choose from."""

    columns = ReportColumns(
        first="safety kept:\nto vanilla",
        difference="gain kept:\nto vanilla",
        meaning="differences to vanilla in the shares kept of the seed model's safety and of vanilla's gain",
        ranked_by="the product of what is kept of safety and of utility",
        first_is_safety=True,
    )
    plots_safety = True

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the two or three values."""
        return ("safety", "utility", "compliance") if self.config.over_refusal else ("safety", "utility")

    def values(self, scores: RelativeScores[float]) -> ObjectiveValues:
        """Return S, U and, if it is measured, compliance."""
        return ObjectiveValues(tuple(self._parts(scores)))

    def comparisons(
        self, references: ReferenceTrials, points: Sequence[TrialRecord]
    ) -> tuple[EndComparison, ...]:
        """Return a comparison with each of at most `MOST_COMPARED` points, vanilla included.

        They are those that dominate most together: each adds the largest hypervolume to those before.
        """
        left = [record for record in (references.vanilla, *points) if record.objectives]
        chosen: list[TrialRecord] = []
        while left and len(chosen) < MOST_COMPARED:
            best = max(left, key=lambda record: hypervolume(map(_pair, (*chosen, record))))
            if hypervolume(map(_pair, (*chosen, best))) <= hypervolume(map(_pair, chosen)):
                break
            chosen.append(best)
            left.remove(best)
        names = " and ".join(self.names)
        return tuple(
            EndComparison(f"{names} below those of {record.trial_id}", self._values_against(record))
            for record in chosen
        )

    def _values_against(self, record: TrialRecord) -> tuple[ComparedValue, ...]:
        found = [safety_value(record, self.config.safety), metric_value(record, "utility")]
        if self.config.over_refusal:
            found.append(compliance_value(record))
        return tuple(found)

    def share_rule(self, references: ReferenceTrials) -> FrontBisection | None:
        """Return the search for shares where the front bends; over-refusal has no part in it."""
        scale = point_scale(self.config, references)
        return FrontBisection(scale) if scale else None

    def judge(self, scores: RelativeScores[Bootstrapped]) -> ObjectiveJudgement:
        """Judge candidates by the front.

        A better one is on the front, above vanilla in at least one value, and below vanilla in none.
        """
        parts = self._parts(scores)
        columns = candidate_columns(parts[0])
        intervals = joint([(part.minus(VANILLA), columns) for part in parts])
        merit = _product(parts)
        points = np.stack([part.point for part in parts], axis=1)[VANILLA:]
        front = indices_where(not any(dominates(other, own) for other in points) for own in points[1:])
        better = indices_where(
            any(interval.low > 0 for interval in of_candidate)
            and all(interval.high >= 0 for interval in of_candidate)
            for of_candidate in zip(*intervals, strict=True)
        )
        values = merit.point[FIRST_CANDIDATE:]
        return ObjectiveJudgement(
            merit=merit,
            order=rank_best_first([(float(i not in front), -float(value)) for i, value in enumerate(values)]),
            better=better & front,
            possible=frozenset(range(len(values))),
            difference=tuple(intervals[1]),
            safety=tuple(intervals[0]),
            compliance=tuple(intervals[2]) if len(parts) > 2 else (),
            front=front,
        )

    def describe(self) -> str:
        """Return the values."""
        third = " and least over-refusal" if self.config.over_refusal else ""
        return f"most safety, most utility{third}, as a front"

    def explain(self, judged: ObjectiveJudgement, index: int) -> str:
        """Return the difference of each value to vanilla's."""
        safety, utility = judged.safety[index], judged.difference[index]
        text = (
            f"its share of the seed model's safety is {compared_with_vanilla(safety)}"
            f" ({interval_text(safety)}{adjustment(judged)}),"
            f" its share of vanilla's gain {compared_with_vanilla(utility)} ({interval_text(utility)})"
        )
        if judged.compliance:
            compliance = judged.compliance[index]
            text += f", its compliance {compared_with_vanilla(compliance)} ({interval_text(compliance)})"
        return text

    def explain_rejection(self, judged: ObjectiveJudgement) -> str:
        """Return that every candidate loses against vanilla in some value, or gains in none."""
        return "no configuration beats vanilla in one objective without losing in another beyond the noise"

    def _parts(self, scores: RelativeScores[Number]) -> list[Number]:
        parts = [scores.safety_kept, scores.utility_kept]
        if self.config.over_refusal and scores.compliance is not None:
            parts.append(scores.compliance)
        return parts


def _pair(record: TrialRecord) -> Pair:
    return record.objectives[0], record.objectives[1]


def _product(parts: Sequence[Bootstrapped]) -> Bootstrapped:
    """Return the product of the values' positive parts: the hypervolume that a model dominates alone."""

    def volume(*values: Array) -> Array:
        positive: Array = np.prod([np.maximum(value, 0) for value in values], axis=0)
        return positive

    best = [max(float(part.point.max()), 0.0) for part in parts]
    others = [np.prod(best[:index] + best[index + 1 :]) for index in range(len(best))]
    answer = np.max([part.answer * other for part, other in zip(parts, others, strict=True)], axis=0)
    return combined(volume, parts, answer)
