"""Numbers with their resamples, and intervals from these that hold for many numbers at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookahead_ray.stats.interval import Interval

Array = NDArray[np.float64]

_ONE_SIGMA = 0.8413  # share of a normal variable below one standard deviation above its mean
_LEAST_FACTOR = 1.96


@dataclass(frozen=True)
class Bootstrapped:
    """One number for each of several models, on the prompts and seeds as they are and on every resample."""

    point: Array  # (models,)
    resampled: Array  # (resamples, models): prompts and seeds drawn
    by_seeds: Array  # (resamples, models): seeds drawn, prompts as they are; one row where each has one seed
    answer: Array  # (models,): how much the number moves with one answer of the metric that moves it most
    freedom: (
        Array  # (models,): seeds less one, of the model or of vanilla, whichever is less; inf for one seed
    )

    def minus(self, base: int) -> "Bootstrapped":
        """All models' differences to one of them."""
        return Bootstrapped(
            self.point - self.point[base],
            self.resampled - self.resampled[:, [base]],
            self.by_seeds - self.by_seeds[:, [base]],
            self.answer,
            np.minimum(self.freedom, self.freedom[base]),
        )

    def simultaneous(self, columns: Sequence[int], confidence: float = 0.95) -> list[Interval]:
        """Intervals that cover all of these columns' true values at once; see `joint`."""
        return joint([(self, columns)], confidence)[0]

    def p_values(self) -> Array:
        """(models,): two-sided, of the number being 0: twice the share of resamples on its lesser side."""
        sides = (np.sum(side * self.resampled >= 0, axis=0) for side in (-1, 1))
        least = np.minimum(*sides) + 1
        p: Array = np.minimum(2 * least / (len(self.resampled) + 1), 1.0)
        return p


def combined(function: Callable[..., Array], parts: Sequence[Bootstrapped], answer: Array) -> Bootstrapped:
    """A number made from others, `function` taking arrays whose last axis is the models."""
    return Bootstrapped(
        function(*(part.point for part in parts)),
        function(*(part.resampled for part in parts)),
        function(*(part.by_seeds for part in parts)),
        answer,
        np.min([part.freedom for part in parts], axis=0),
    )


def joint(
    parts: Sequence[tuple[Bootstrapped, Sequence[int]]], confidence: float = 0.95
) -> list[list[Interval]]:
    """Intervals of some models' numbers of each part, which cover all true values at once: max-|t|.

    The percentile way, for a ratio's resamples are skewed: each tail has a spread of its own, from the point
    to the resamples' 16 % or 84 % quantile, and one factor for all columns, the quantile of the columns'
    largest deviation on that side, in spreads, that leaves half of what `confidence` leaves (a normal
    variable's at least). A spread is at least one answer's worth, as a handful of prompts may not vary at
    all under resampling. Where seeds vary too, a reach is widened by Student's quantile over the normal one,
    its degrees of freedom by Welch and Satterthwaite: few seeds tell little of how much seeds vary.
    """
    chosen = [(numbers, list(columns)) for numbers, columns in parts]
    if not any(columns for _, columns in chosen):
        return [[] for _ in chosen]
    point = np.concatenate([numbers.point[columns] for numbers, columns in chosen])
    answer = np.concatenate([numbers.answer[columns] for numbers, columns in chosen])
    deviations = np.hstack([numbers.resampled[:, columns] for numbers, columns in chosen]) - point
    widening = np.concatenate([_widening(numbers, columns, confidence) for numbers, columns in chosen])
    below, above = (_reach(side * deviations, answer, confidence) * widening for side in (-1, 1))
    intervals = [
        Interval(float(p), float(p - low), float(p + high))
        for p, low, high in zip(point, below, above, strict=True)
    ]
    return [[intervals.pop(0) for _ in columns] for _, columns in chosen]


def _reach(deviations: Array, answer: Array, confidence: float) -> Array:
    """(columns,): how far an interval reaches where `deviations` (resamples, columns) are positive."""
    spread = np.maximum(np.quantile(deviations, _ONE_SIGMA, axis=0), answer)
    largest = (deviations / spread).max(axis=1)
    reach: Array = max(float(np.quantile(largest, (1 + confidence) / 2)), _LEAST_FACTOR) * spread
    return reach


def _widening(numbers: Bootstrapped, columns: Sequence[int], confidence: float) -> Array:
    """(columns,): Student's quantile over the normal one; 1 where nothing but prompts was drawn."""
    seeds, all_of_it = (values[:, columns].var(axis=0) for values in (numbers.by_seeds, numbers.resampled))
    share = np.divide(seeds, all_of_it, out=np.zeros_like(seeds), where=all_of_it > 0)
    freedom = numbers.freedom[columns] / np.maximum(share, 1e-9) ** 2
    tail = (1 + confidence) / 2
    from scipy.stats import norm, t  # type: ignore[import-untyped]  # takes a second

    widening: Array = t.ppf(tail, np.minimum(freedom, 1e9)) / norm.ppf(tail)
    return widening
