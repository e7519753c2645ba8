"""The objective `weighted`: w · S + (1 - w) · U."""

import numpy as np

from lookahead_ray.objective.judgement import (
    FIRST_CANDIDATE,
    VANILLA,
    Aims,
    ObjectiveJudgement,
    candidate_columns,
    places_where,
    rank_best_first,
)
from lookahead_ray.stats.simultaneous import Bootstrapped, combined


def weighted(aims: Aims, weight: float) -> Bootstrapped:
    """Return w · S + (1 - w) · U."""
    answer = np.maximum(weight * aims.kept.answer, (1 - weight) * aims.gained.answer)
    return combined(lambda s, u: weight * s + (1 - weight) * u, [aims.kept, aims.gained], answer)


def judge_weighted(merit: Bootstrapped) -> ObjectiveJudgement:
    columns = candidate_columns(merit)
    difference = merit.minus(VANILLA).simultaneous(columns)
    values = merit.point[FIRST_CANDIDATE:]
    return ObjectiveJudgement(
        merit=merit,
        order=rank_best_first([(-float(value),) for value in values]),
        better=places_where(interval.low > 0 for interval in difference),
        possible=frozenset(range(len(values))),
        difference=tuple(difference),
    )
