"""Numbers with their bootstrap resamples, and simultaneous confidence intervals computed from them."""

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
    """One number per model, on the original prompts and random seeds and on every resample of them."""

    point: Array  # (models,)
    resampled: Array  # (resamples, models): prompts and seeds resampled
    by_seeds: Array  # (resamples, models): only seeds resampled; one row if every model has one seed
    answer: Array  # (models,): change by one answer of the metric with the largest effect
    freedom: Array  # (models,): seeds - 1 of the model or of vanilla, whichever is less; inf for one seed

    def minus(self, base: int) -> "Bootstrapped":
        """Return each model's difference to the model in column `base`."""
        return Bootstrapped(
            self.point - self.point[base],
            self.resampled - self.resampled[:, [base]],
            self.by_seeds - self.by_seeds[:, [base]],
            self.answer,
            np.minimum(self.freedom, self.freedom[base]),
        )

    def simultaneous(self, columns: Sequence[int], confidence: float = 0.95) -> list[Interval]:
        """Return intervals that cover the true values of all these columns at once; see `joint`."""
        return joint([(self, columns)], confidence)[0]

    def p_values(self) -> Array:
        """Return two-sided p-values, (models,), for the number being 0.

        Each is twice the share of resamples on the side of 0 with fewer of them.
        """
        sides = (np.sum(side * self.resampled >= 0, axis=0) for side in (-1, 1))
        least = np.minimum(*sides) + 1
        p: Array = np.minimum(2 * least / (len(self.resampled) + 1), 1.0)
        return p


def combined(function: Callable[..., Array], parts: Sequence[Bootstrapped], answer: Array) -> Bootstrapped:
    """Combine `parts` by `function`, which takes arrays whose last axis is the models."""
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
    """Return intervals for the given columns of each part that cover all true values at once (max-|t|).

    Percentile-style, because resamples of a ratio are skewed. Each tail has its own scale: the distance from
    the point estimate to the 16 % or 84 % quantile of the resamples, and at least one answer's worth, because
    a handful of prompts may not vary at all under resampling. One critical value per tail is shared by all
    columns: the (1 + confidence) / 2 quantile of the maximum scaled deviation, at least 1.96 (a normal
    variable's). Where seeds vary too, the half-width is multiplied by Student's quantile over the normal one,
    with Welch-Satterthwaite degrees of freedom: few seeds give a poor estimate of their variance.

    Columns whose number or resamples are not finite have intervals of NaN and do not widen the others.
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
    """Return half-widths (columns,) of the tail where `deviations` (resamples, columns) are positive."""
    spread = np.maximum(np.quantile(deviations, _ONE_SIGMA, axis=0), answer)
    scaled = (deviations / spread)[:, np.isfinite(deviations).all(axis=0)]
    if not scaled.size:
        return np.full_like(spread, np.nan)
    largest = scaled.max(axis=1)
    reach: Array = max(float(np.quantile(largest, (1 + confidence) / 2)), _LEAST_FACTOR) * spread
    return reach


def _widening(numbers: Bootstrapped, columns: Sequence[int], confidence: float) -> Array:
    """Return Student's quantile over the normal one, (columns,); 1 where only prompts were resampled."""
    seeds, all_of_it = (values[:, columns].var(axis=0) for values in (numbers.by_seeds, numbers.resampled))
    share = np.divide(seeds, all_of_it, out=np.zeros_like(seeds), where=all_of_it > 0)
    freedom = numbers.freedom[columns] / np.maximum(share, 1e-9) ** 2
    tail = (1 + confidence) / 2
    from scipy.stats import norm, t  # type: ignore[import-untyped]  # takes a second

    widening: Array = t.ppf(tail, np.minimum(freedom, 1e9)) / norm.ppf(tail)
    return widening
