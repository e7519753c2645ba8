"""The objective `floor`: the greatest U among configurations that keep the safety floor."""

from lookahead_ray.objective.judgement import (
    FIRST_CANDIDATE,
    VANILLA,
    ObjectiveJudgement,
    candidate_columns,
    places_where,
    rank_best_first,
)
from lookahead_ray.stats.simultaneous import Bootstrapped, combined, joint


def above(numbers: Bootstrapped, floor: float) -> Bootstrapped:
    """Return the number minus the floor."""
    return combined(lambda values: values - floor, [numbers], numbers.answer)


def judge_floor(margin: Bootstrapped, gained: Bootstrapped) -> ObjectiveJudgement:
    columns = candidate_columns(gained)
    margins, difference = joint([(margin, [VANILLA, *columns]), (gained.minus(VANILLA), columns)])
    vanilla_keeps, margins = margins[0].low >= 0, margins[1:]
    keys = [
        (0.0, -float(value)) if interval.value >= 0 else (1.0, -interval.value)
        for interval, value in zip(margins, gained.point[FIRST_CANDIDATE:], strict=True)
    ]
    return ObjectiveJudgement(
        merit=gained,
        order=rank_best_first(keys),
        better=places_where(
            kept.low >= 0 and (useful.low > 0 or not vanilla_keeps)
            for kept, useful in zip(margins, difference, strict=True)
        ),
        possible=places_where(interval.high >= 0 for interval in margins),
        difference=tuple(difference),
        safety=tuple(margins),
        vanilla_keeps=vanilla_keeps,
    )
