"""Pareto fronts and hypervolume in the plane of safety and utility. More is better in both."""

from collections.abc import Iterable, Sequence

import numpy as np

from lookahead_ray.objective.judgement import (
    FIRST_CANDIDATE,
    VANILLA,
    ObjectiveJudgement,
    candidate_columns,
    places_where,
    rank_best_first,
)
from lookahead_ray.stats.simultaneous import Array, Bootstrapped, combined, joint

Pair = tuple[float, float]
NOTHING_KEPT: Pair = (0.0, 0.0)
"""The reference point of hypervolume: none of the seed model's safety, none of vanilla's gain in utility."""


def front(points: Iterable[Pair]) -> list[Pair]:
    """Return the points that no other point dominates, without duplicates, by decreasing safety."""
    kept: list[Pair] = []
    for point in sorted(set(points), reverse=True):
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return kept


def hypervolume(points: Iterable[Pair], reference: Pair = NOTHING_KEPT) -> float:
    """Return the area dominated above `reference`; a point above it in only one value adds nothing."""
    area, height = 0.0, reference[1]
    for safety, utility in front(points):
        if safety > reference[0] and utility > height:
            area += (safety - reference[0]) * (utility - height)
            height = utility
    return area


def product(parts: list[Bootstrapped]) -> Bootstrapped:
    """Return the product of the aims' positive parts: the hypervolume that a model dominates alone."""

    def volume(*values: Array) -> Array:
        positive: Array = np.prod([np.maximum(value, 0) for value in values], axis=0)
        return positive

    best = [max(float(part.point.max()), 0.0) for part in parts]
    others = [np.prod(best[:place] + best[place + 1 :]) for place in range(len(best))]
    answer = np.max([part.answer * other for part, other in zip(parts, others, strict=True)], axis=0)
    return combined(volume, parts, answer)


def beats(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return whether `a` is better in at least one value and worse in none."""
    return any(x > y for x, y in zip(a, b, strict=True)) and all(x >= y for x, y in zip(a, b, strict=True))


def judge_pareto(parts: list[Bootstrapped]) -> ObjectiveJudgement:
    columns = candidate_columns(parts[0])
    intervals = joint([(part.minus(VANILLA), columns) for part in parts])
    merit = product(parts)
    points = np.stack([part.point for part in parts], axis=1)[VANILLA:]
    front = places_where(not any(beats(other, own) for other in points) for own in points[1:])
    each = list(zip(*intervals, strict=True))
    better = places_where(
        any(interval.low > 0 for interval in mine) and all(interval.high >= 0 for interval in mine)
        for mine in each
    )
    values = merit.point[FIRST_CANDIDATE:]
    safety, difference, *rest = (tuple(column) for column in intervals)
    return ObjectiveJudgement(
        merit=merit,
        order=rank_best_first([(float(place not in front), -float(v)) for place, v in enumerate(values)]),
        better=better & front,
        possible=frozenset(range(len(values))),
        difference=difference,
        safety=safety,
        complied=rest[0] if rest else (),
        front=front,
    )
