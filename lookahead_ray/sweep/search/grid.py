"""Points of a search space, each a value per dimension that exists in it, conditional dimensions included."""

import math
import random
from collections.abc import Iterator, Mapping
from itertools import islice

from lookahead_ray.config.dimension import Choice, Dimension, Range, Value, substitute
from lookahead_ray.config.load import Sweep
from lookahead_ray.config.search import GridSampler
from lookahead_ray.errors import ConfigError

MOST_POINTS = 10_000
REAL_POINTS = 3  # values of a real range without a configured number

Point = dict[str, Value]


def grid_points(sweep: Sweep) -> list[Point]:
    """Return the points of the sweep's grid, shuffled by the search's random seed.

    Raises:
        ConfigError: a name in `points` is no range of the space, or there are more than `MOST_POINTS`.
    """
    sampler = sweep.search.sampler
    counts = sampler.points if isinstance(sampler, GridSampler) else {}
    _check_names(sweep, counts)
    points = _first(sweep, counts)
    if len(points) > MOST_POINTS:
        rule = f"a grid may have {MOST_POINTS:,} points at most; set fewer in points, or another sampler"
        raise ConfigError(f"{sweep.source}: search.sampler: {rule}, got more")
    random.Random(sweep.search.seed).shuffle(points)
    return points


def all_points(sweep: Sweep) -> list[Point]:
    """Return all points, shuffled; none if the space has real ranges or more than `MOST_POINTS` points."""
    if any(isinstance(d, Range) and d.kind != "int" for d in sweep.dimensions):
        return []
    points = _first(sweep, {})
    random.Random(sweep.search.seed).shuffle(points)
    return points if len(points) <= MOST_POINTS else []


def values(dimension: Dimension, count: int | None = None) -> list[Value]:
    """Return a choice's labels, or `count` evenly spaced values of a range, with both ends."""
    if isinstance(dimension, Choice):
        return list(dimension.labels)
    low, high = dimension.low, dimension.high
    if dimension.kind == "int" and count is None:
        return list(range(int(low), min(int(high), int(low) + MOST_POINTS) + 1))
    steps = (count or REAL_POINTS) - 1
    inner = [_between(dimension, step / steps) for step in range(1, steps)]
    if dimension.kind == "int":
        return list(dict.fromkeys([int(low), *map(round, inner), int(high)]))
    return [low, *inner, high]


def _between(dimension: Range, share: float) -> float:
    if dimension.kind == "loguniform":
        return math.exp(math.log(dimension.low) * (1 - share) + math.log(dimension.high) * share)
    return dimension.low * (1 - share) + dimension.high * share


def _first(sweep: Sweep, counts: Mapping[str, int]) -> list[Point]:
    """Return the points in the file's order, at most `MOST_POINTS` + 1."""
    return list(islice(_points(sweep, counts), MOST_POINTS + 1))


def _points(sweep: Sweep, counts: Mapping[str, int]) -> Iterator[Point]:
    """Yield all points: walk the space repeatedly, advancing the last dimension that has a value left."""
    taken: list[int] = []
    while True:
        point, left = _walk(sweep, counts, taken)
        yield point
        while left and not left[-1]:
            left.pop()
        if not left:
            return
        del taken[len(left) :]
        taken[-1] += 1


def _walk(sweep: Sweep, counts: Mapping[str, int], taken: list[int]) -> tuple[Point, list[int]]:
    """Return the point of the `taken`-th value of each dimension, in order of appearance, and the number of
    values left after each. Dimensions beyond `taken` are appended to it with their first value."""
    point: Point = {}
    left: list[int] = []

    def pick(dimension: Dimension) -> Value:
        known = values(dimension, counts.get(dimension.name))
        if len(left) == len(taken):
            taken.append(0)
        index = taken[len(left)]
        left.append(len(known) - 1 - index)
        point[dimension.name] = known[index]
        return known[index]

    substitute(sweep.template, pick)
    return point, left


def _check_names(sweep: Sweep, counts: Mapping[str, int]) -> None:
    ranges = [dimension.name for dimension in sweep.dimensions if isinstance(dimension, Range)]
    for name, count in counts.items():
        if name not in ranges:
            known = ", ".join(ranges) or "none"
            rule = f"must name a range of the space; these are {known}"
            raise ConfigError(f"{sweep.source}: search.sampler.points.{name}: {rule}, got {count}")
