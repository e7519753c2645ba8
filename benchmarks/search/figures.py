"""Statistics over the traces of a searcher's random seeds: medians, quartiles, ratios with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.search.visits import Trace

SHARE = 0.95
"""Share of the grid's hypervolume that a search has to reach."""
RESAMPLES = 10_000
Curve = Literal["share", "regret"]
Cost = Literal["tokens", "generated"]
"""Tokens of training, or tokens generated to measure."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles over random seeds."""

    median: float
    q25: float
    q75: float


@dataclass(frozen=True, slots=True)
class Prices:
    """Tokens of one kind to `SHARE`, one number per random seed; if not reached, the whole grid's tokens."""

    values: tuple[int, ...]
    censored: int  # number of random seeds that never reached `SHARE`
    spread: Spread


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratio of two searchers' median prices, with a 95 % bootstrap interval over the random seeds of both."""

    value: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles of at least one value."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Spread(float(middle), float(low), float(high))


def prices(traces: Sequence[Trace], whole: int, cost: Cost = "tokens") -> Prices:
    """Return the tokens to `SHARE`; `whole`: tokens of the whole grid, of the same kind."""
    found = [trace.tokens_to(SHARE) if cost == "tokens" else trace.generated_to(SHARE) for trace in traces]
    values = tuple(whole if tokens is None else tokens for tokens in found)
    return Prices(values, found.count(None), spread(values))


def ratio(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Ratio:
    """Return the ratio of medians; the random seeds of each side are resampled independently."""
    rng = np.random.default_rng(seed)
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    draws = _medians(a, rng) / _medians(b, rng)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Ratio(float(np.median(a) / np.median(b)), float(low), float(high))


def at(traces: Sequence[Trace], name: Curve, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `share` or `regret` of each trace (rows) at each budget (columns); NaN before vanilla is paid.

    After its end a trace keeps its last value.
    """
    rows = []
    for trace in traces:
        values = np.asarray(trace.share if name == "share" else trace.regret, np.float64)
        place = np.searchsorted(trace.tokens, tokens, side="right") - 1
        rows.append(np.where(place >= 0, values[np.maximum(place, 0)], np.nan))
    return np.stack(rows)


def _medians(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    medians: NDArray[np.float64] = np.median(rng.choice(values, (RESAMPLES, len(values))), axis=1)
    return medians
