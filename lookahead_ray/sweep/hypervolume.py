"""The plane of safety and utility: fronts, and the area that points dominate. More is better in both."""

from collections.abc import Iterable

Pair = tuple[float, float]
NOTHING_KEPT: Pair = (0.0, 0.0)
"""Where hypervolume is measured from: nothing of the seed's safety, nothing of vanilla's gain in utility."""


def front(points: Iterable[Pair]) -> list[Pair]:
    """The points that no other one dominates, once each, by falling safety."""
    kept: list[Pair] = []
    for point in sorted(set(points), reverse=True):
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return kept


def hypervolume(points: Iterable[Pair], reference: Pair = NOTHING_KEPT) -> float:
    """Area that the points dominate above `reference`; what lies beyond it in one value only adds nothing."""
    area, height = 0.0, reference[1]
    for safety, utility in front(points):
        if safety > reference[0] and utility > height:
            area += (safety - reference[0]) * (utility - height)
            height = utility
    return area
