"""The mean of a sample with its interval."""

from collections.abc import Sequence
from math import nan, sqrt

from lookahead_ray.stats.interval import Interval


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of at least one value with Student's 95 % interval; its ends are NaN for one value."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return Interval(mean, nan, nan)
    deviation = sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    from scipy.stats import t  # type: ignore[import-untyped]  # takes a second

    half = float(t.ppf(0.975, n - 1)) * deviation / sqrt(n)
    return Interval(mean, mean - half, mean + half)
