"""The objective `floor`: the greatest U among configurations whose safety is at least the floor."""

from collections.abc import Sequence

from lookahead_ray.config.objective import FloorObjective
from lookahead_ray.objective.base import ObjectiveValues, ReferenceTrials, RelativeScores, standing
from lookahead_ray.objective.judgement import (
    FIRST_CANDIDATE,
    VANILLA,
    ObjectiveJudgement,
    candidate_columns,
    indices_where,
    rank_best_first,
)
from lookahead_ray.objective.measuring_end import EndComparison, floor_value, is_above, metric_value
from lookahead_ray.objective.search_objective import ReportColumns, SearchObjective
from lookahead_ray.objective.share_choice import FloorBisection, bisect_floor
from lookahead_ray.objective.wording import (
    adjustment,
    compared_with_vanilla,
    decimal_text,
    interval_text,
    size_and_side,
)
from lookahead_ray.stats.simultaneous import Bootstrapped, combined, joint
from lookahead_ray.trial.record import TrialRecord

BELOW_ALL = 1e6
"""Subtracted from the ranking value of a trial below the floor: puts it below any utility."""


class SafetyFloor(SearchObjective[FloorObjective]):
    """One value, U, under the constraint floor - S <= 0, or floor - safety <= 0 if the floor is a rate."""

    columns = ReportColumns(
        first="safety over\nthe floor",
        difference="gain kept:\nto vanilla",
        meaning="safety over the floor, and the difference to vanilla in the share kept of vanilla's gain",
        ranked_by="utility",
        first_is_safety=True,
    )
    plots_safety = True

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name of the only value."""
        return ("utility",)

    def values(self, scores: RelativeScores[float]) -> ObjectiveValues:
        """Return U, and how far safety is below the floor."""
        kept = scores.safety_kept if self._is_share else scores.safety
        return ObjectiveValues((scores.utility_kept,), self.config.floor - kept)

    def comparisons(
        self, references: ReferenceTrials, points: Sequence[TrialRecord]
    ) -> tuple[EndComparison, ...]:
        """Return the comparison with the floor, and in utility with the best point that is above it."""
        config = self.config
        margin = floor_value(references.seed, config.safety, config.floor, self._is_share)
        found = [EndComparison("safety below the floor", (margin,))]
        known = [record for record in (references.vanilla, *points) if record.objectives]
        keeping = [record for record in known if is_above(record, margin)]
        if keeping:
            best = min(keeping, key=standing)
            reason = f"utility below that of {best.trial_id}, which keeps the floor"
            found.append(EndComparison(reason, (metric_value(best, "utility"),)))
        return tuple(found)

    def share_rule(self, references: ReferenceTrials) -> FloorBisection:
        """Return the search for the largest share that keeps the floor."""
        return bisect_floor(self.config, references)

    def ranking_values(self, scores: RelativeScores[float]) -> tuple[float, ...]:
        """Return one number that orders all trials.

        Trials that keep the floor are ordered by utility, the others below them by safety.
        """
        found = self.values(scores)
        if found.constraint is not None and found.constraint > 0:
            return (-found.constraint - BELOW_ALL,)
        return found.maximised

    def judge(self, scores: RelativeScores[Bootstrapped]) -> ObjectiveJudgement:
        """Judge candidates by U among those that keep the floor.

        A better one has its safety at or above the floor; if vanilla's is too, its U is also above vanilla's.
        """
        floor, gained = self.config.floor, scores.utility_kept
        kept = scores.safety_kept if self._is_share else scores.safety
        margin = combined(lambda values: values - floor, [kept], kept.answer)
        columns = candidate_columns(gained)
        (vanilla, *margins), differences = joint(
            [(margin, [VANILLA, *columns]), (gained.minus(VANILLA), columns)]
        )
        vanilla_keeps = vanilla.low >= 0
        keys = [
            (0.0, -float(value)) if interval.value >= 0 else (1.0, -interval.value)
            for interval, value in zip(margins, gained.point[FIRST_CANDIDATE:], strict=True)
        ]
        return ObjectiveJudgement(
            merit=gained,
            order=rank_best_first(keys),
            better=indices_where(
                over_floor.low >= 0 and (difference.low > 0 or not vanilla_keeps)
                for over_floor, difference in zip(margins, differences, strict=True)
            ),
            possible=indices_where(interval.high >= 0 for interval in margins),
            difference=tuple(differences),
            safety=tuple(margins),
            vanilla_keeps=vanilla_keeps,
        )

    def describe(self) -> str:
        """Return the floor and what it is relative to."""
        of = " of the seed model's" if self._is_share else ""
        return f"most utility where safety is at least {self.config.floor:g}{of}"

    def explain(self, judged: ObjectiveJudgement, index: int) -> str:
        """Return the margin over the floor, and the difference of U to vanilla's."""
        margin, difference = judged.safety[index], judged.difference[index]
        kind = "share of the seed model's safety" if self._is_share else "safety"
        return (
            f"its {kind} is {size_and_side(margin)} the floor of {decimal_text(self.config.floor)}"
            f" ({interval_text(margin)}{adjustment(judged)}),"
            f" its share of vanilla's gain {compared_with_vanilla(difference)} ({interval_text(difference)})"
        )

    def explain_rejection(self, judged: ObjectiveJudgement) -> str:
        """Return whether the floor or vanilla's utility is the obstacle."""
        if judged.vanilla_keeps:
            return "vanilla keeps the floor, and no configuration that does gains more beyond the noise"
        return "no configuration keeps the floor beyond the noise"

    def minimum_safety(self, seed_safety: float | None) -> float | None:
        """Return the floor as a rate; None if it is a share of a safety that was not measured."""
        if not self._is_share:
            return self.config.floor
        return None if seed_safety is None else self.config.floor * seed_safety

    @property
    def _is_share(self) -> bool:
        return self.config.relative_to == "seed"
