"""A test that may look at its data several times, at shares of the sample that are fixed beforehand.

The total error is spent over the looks by a function of the share seen so far (Lan and DeMets 1983,
Biometrika 70), here in proportion to it: the power family of Kim and DeMets (1987, Biometrika 74) with
exponent 1. O'Brien and Fleming's function spends nearly nothing at early looks and keeps the rest for the
last one. Here nothing is decided at the end, where the sample is whole, so all is spent before.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NORMAL = NormalDist()
_REACH = 8.0  # standard deviations that the grid of the numerical integration covers
_CELLS = 800
_STEPS = 60  # of the bisection, which halves an interval of 16 each time


@cache
def critical_values(looks: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """Return the one-sided critical value of a normal statistic at each look.

    Without a difference, the statistic exceeds its value at any look with a probability of `alpha` in total.
    The sums behind the statistics grow by independent parts (Armitage, McPherson and Rowe 1969).

    Args:
        looks: ascending shares of the sample, in 0..1; alpha is spent at them in proportion.

    Raises:
        ValueError: the looks are not ascending shares, or alpha is not between 0 and 1.
    """
    if not looks or list(looks) != sorted(set(looks)) or looks[0] <= 0 or looks[-1] > 1:
        raise ValueError(f"looks must be ascending shares above 0 and up to 1, got {looks}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
    found = [-NORMAL.inv_cdf(alpha * looks[0] / looks[-1])]
    sums, width = _grid(sqrt(looks[0]), found[0])
    mass = np.exp(-(sums**2) / (2 * looks[0])) / sqrt(2 * np.pi * looks[0]) * width
    for before, look in pairwise(looks):
        spread = sqrt(look - before)
        spent = alpha * (look - before) / looks[-1]
        low, high = -_REACH, _REACH
        for _ in range(_STEPS):
            middle = (low + high) / 2
            exceeding = mass @ _above(middle * sqrt(look), sums, spread)
            low, high = (middle, high) if exceeding > spent else (low, middle)
        found.append(high)
        later, width = _grid(sqrt(look), high)
        steps = np.exp(-((later[:, None] - sums) ** 2) / (2 * spread**2)) / (sqrt(2 * np.pi) * spread)
        sums, mass = later, steps @ mass * width
    return tuple(found)


def _grid(deviation: float, critical: float) -> tuple[Array, float]:
    """Return the sums that do not exceed the critical value, as midpoints of cells, and a cell's width."""
    edges = np.linspace(-_REACH * deviation, critical * deviation, _CELLS + 1)
    return (edges[1:] + edges[:-1]) / 2, float(edges[1] - edges[0])


def _above(bound: float, sums: Array, spread: float) -> Array:
    """Return, for each sum, the probability that a normal part of this spread takes it above the bound."""
    return np.array([NORMAL.cdf((one - bound) / spread) for one in sums])


def is_below_zero(contributions: Sequence[float], critical: float, largest: float) -> bool:
    """Return whether the sum of independent contributions is below 0 beyond the noise.

    The statistic is the sum over the root of the sum of squares: contributions that are symmetric about 0
    exceed z with a probability of at most exp(-z² / 2) (Efron 1969), and near 0 the normal distribution
    holds. One more contribution above 0, of the `largest` possible size, is counted in both. For differences
    of 1, 0 and -1 this is McNemar's test with a correction for continuity, so a few answers alone decide
    nothing; and many small losses decide nothing while a rare large gain may not have been seen.
    """
    values = np.asarray([*contributions, largest], dtype=float)
    if len(values) < 2 or not np.isfinite(values).all():
        return False
    return float(values.sum()) < -critical * float(np.sqrt((values**2).sum()))
