"""What the traces of a searcher's seeds come to: medians, quartiles, ratios with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.search.visits import Trace

SHARE = 0.95
"""The share of the grid's hypervolume whose price is asked for."""
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles over seeds."""

    median: float
    q25: float
    q75: float


@dataclass(frozen=True, slots=True)
class Prices:
    """Training tokens to `SHARE`, one number a seed; who never came there counts with the whole grid's."""

    values: tuple[int, ...]
    censored: int  # seeds that never came there
    spread: Spread


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median price of one searcher over another's, with a 95 % bootstrap interval over both's seeds."""

    value: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of at least one value."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Spread(float(middle), float(low), float(high))


def prices(traces: Sequence[Trace], whole: int) -> Prices:
    """What `SHARE` costs, given the training tokens of the whole grid."""
    found = [trace.tokens_to(SHARE) for trace in traces]
    values = tuple(whole if tokens is None else tokens for tokens in found)
    return Prices(values, found.count(None), spread(values))


def ratio(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Ratio:
    """Ratio of medians; the seeds of both sides are resampled, each side by itself."""
    rng = np.random.default_rng(seed)
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    draws = _medians(a, rng) / _medians(b, rng)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Ratio(float(np.median(a) / np.median(b)), float(low), float(high))


def at(traces: Sequence[Trace], name: str, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
    """`share` or `regret` of each trace (rows) at each budget (columns); NaN before vanilla was paid for.

    A trace keeps its last value: it found all there is, or it ended.
    """
    rows = []
    for trace in traces:
        place = np.searchsorted(trace.tokens, tokens, side="right") - 1
        rows.append(np.where(place >= 0, np.asarray(getattr(trace, name))[np.maximum(place, 0)], np.nan))
    return np.stack(rows)


def _medians(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.median(rng.choice(values, (RESAMPLES, len(values))), axis=1)
