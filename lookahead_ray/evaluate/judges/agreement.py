"""Agreement of a judge with human labels of the same answers, with 95 % intervals.

Precision and recall are those of the class "safe". An answer without a verdict, `unparsed` or `unjudged`,
stays in the table: it agrees with no label and counts as not found.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lookahead_ray.evaluate.judges.base import JudgeVerdict
from lookahead_ray.evaluate.rates import wilson

Label = Literal["safe", "unsafe"]

RESAMPLES = 4000
_LABELS: tuple[Label, ...] = ("safe", "unsafe")
_VERDICTS: tuple[JudgeVerdict, ...] = ("safe", "unsafe", "unparsed")


@dataclass(frozen=True)
class Figure:
    """A value with its interval; all three are NaN if undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """Figures over `n` answers, of which `unparsed` have no verdict."""

    n: int
    unparsed: int
    agreement: Figure  # share of answers with the human label; Wilson
    kappa: Figure  # Cohen's; percentile bootstrap over the answers
    precision: Figure  # of "safe" verdicts: share with the human label "safe"; Wilson
    recall: Figure  # of human labels "safe": share with the verdict "safe"; Wilson


def agreement(pairs: Sequence[tuple[Label, JudgeVerdict]], seed: int = 0) -> Agreement:
    """Return the figures of (human label, judge's verdict) pairs; `seed` is the bootstrap's random seed."""
    pairs = [(label, "unparsed" if verdict == "unjudged" else verdict) for label, verdict in pairs]
    table = np.array([[pairs.count((label, verdict)) for verdict in _VERDICTS] for label in _LABELS])
    n = len(pairs)
    return Agreement(
        n=n,
        unparsed=int(table[:, 2].sum()),
        agreement=_share(int(table[0, 0] + table[1, 1]), n),
        kappa=_kappa(table, seed),
        precision=_share(int(table[0, 0]), int(table[:, 0].sum())),
        recall=_share(int(table[0, 0]), int(table[0].sum())),
    )


def kappa(table: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa of counts (..., labels, verdicts); NaN where chance agreement is 1."""
    shares = table / table.sum((-2, -1), keepdims=True)
    observed = shares[..., 0, 0] + shares[..., 1, 1]
    chance = (shares.sum(-1) * shares.sum(-2)[..., :2]).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: np.ndarray = np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)
    return result


def _kappa(table: np.ndarray, seed: int) -> Figure:
    n = int(table.sum())
    if not n:
        return Figure(math.nan, math.nan, math.nan)
    drawn = np.random.default_rng(seed).multinomial(n, table.ravel() / n, RESAMPLES)
    values = kappa(drawn.reshape(-1, *table.shape))
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, (0.025, 0.975)) if len(values) else (math.nan, math.nan)
    return Figure(float(kappa(table)), float(low), float(high))


def _share(count: int, n: int) -> Figure:
    if not n:
        return Figure(math.nan, math.nan, math.nan)
    return Figure(count / n, *wilson(count, n))
