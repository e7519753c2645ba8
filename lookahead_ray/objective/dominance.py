"""Dominance, Pareto fronts and hypervolume. Every value is maximised."""

from collections.abc import Iterable, Sequence

Pair = tuple[float, float]
"""Safety and utility."""

NOTHING_KEPT: Pair = (0.0, 0.0)
"""The reference point of hypervolume: none of the seed model's safety, none of vanilla's gain in utility."""


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return whether `a` is better in at least one value and worse in none."""
    return any(x > y for x, y in zip(a, b, strict=True)) and all(x >= y for x, y in zip(a, b, strict=True))


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
