"""Rank correlations of the seed model's losses before training with the results after it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata  # type: ignore[import-untyped]

from benchmarks.screening.trainings import OUTCOMES, Training
from lookahead_ray.config.preview import NoPreview, PreviewConfig
from lookahead_ray.evaluate.opening_loss import OpeningNats
from lookahead_ray.stats.interval import Interval

LENGTHS = (1, 2, 4, 8)
"""Numbers of first answer tokens whose loss is compared."""

RESAMPLES = 5000
LEAST_PREVIEWS = 4
"""Number of previews below which a rank correlation says nothing."""

Part = Literal["trained", "answer"]


@dataclass(frozen=True, slots=True)
class Rank:
    """Spearman's rho between a loss and a result over `n` previews, with its 95 % interval.

    The loss is that of the first `tokens` tokens of the answer as trained, or of the task's own answer.
    `with_none`: whether plain fine-tuning is one of the previews.
    """

    part: Part
    tokens: int
    outcome: str
    with_none: bool
    rho: float
    low: float
    high: float
    n: int


def rank(
    previews: Sequence[PreviewConfig], nats: Sequence[Sequence[OpeningNats]], trainings: Sequence[Training]
) -> list[Rank]:
    """Return the correlations of each loss with each result that was measured and differs."""
    found = []
    for part, tokens, loss in losses_of(nats):
        for outcome in OUTCOMES:
            effects = effects_of(trainings, outcome)
            for with_none in (False, True):
                used = [
                    (value, effects[preview])
                    for preview, value in zip(previews, loss, strict=True)
                    if preview in effects and (with_none or not isinstance(preview, NoPreview))
                ]
                x, y = ([pair[axis] for pair in used] for axis in (0, 1))
                if len(used) >= LEAST_PREVIEWS and len(set(x)) > 1 and len(set(y)) > 1:
                    rho = spearman(x, y)
                    found.append(
                        Rank(part, tokens, outcome, with_none, rho.value, rho.low, rho.high, len(used))
                    )
    return found


def effects_of(trainings: Sequence[Training], outcome: str) -> dict[PreviewConfig, float]:
    """Return each preview's mean result relative to all trainings with the same other settings.

    Settings in which a single preview was trained are left out.
    """
    settings: dict[str, list[tuple[PreviewConfig, float]]] = defaultdict(list)
    for training in trainings:
        if outcome in training.results:
            settings[training.setting].append((training.preview, training.results[outcome]))
    effects: dict[PreviewConfig, list[float]] = defaultdict(list)
    for measured in settings.values():
        if len({preview for preview, _ in measured}) > 1:
            mean = float(np.mean([value for _, value in measured]))
            for preview, value in measured:
                effects[preview].append(value - mean)
    return {preview: float(np.mean(values)) for preview, values in effects.items()}


def spearman(x: Sequence[float], y: Sequence[float], resamples: int = RESAMPLES) -> Interval:
    """Return Spearman's rho with its percentile bootstrap interval over the pairs, resampled from seed 0.

    Resamples in which one of both has a single value have no rho and are left out.
    """
    pairs = np.array([x, y])
    drawn = np.random.default_rng(0).integers(0, len(x), (resamples, len(x)))
    value = float(_rho(pairs[0][None], pairs[1][None])[0])
    low, high = np.nanquantile(_rho(pairs[0][drawn], pairs[1][drawn]), (0.025, 0.975))
    return Interval(value, float(low), float(high))


def losses_of(nats: Sequence[Sequence[OpeningNats]]) -> Iterator[tuple[Part, int, list[float]]]:
    """Yield each kind of loss with its value for each preview."""
    parts: Mapping[Part, Callable[[OpeningNats], tuple[float, ...]]] = {
        "trained": lambda row: row.trained,
        "answer": lambda row: row.answer,
    }
    for part, values_of in parts.items():
        for tokens in LENGTHS:
            rows = [[values_of(row)[:tokens] for row in each if values_of(row)] for each in nats]
            yield part, tokens, [float(np.mean([np.mean(values) for values in each])) for each in rows]


def _rho(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Spearman's rho of each row, (rows, pairs) -> (rows,); NaN where a row has a single value."""
    a, b = (rankdata(values, axis=1) for values in (x, y))
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    rho: NDArray[np.float64] = np.divide(
        (a * b).sum(axis=1), norm, out=np.full_like(norm, np.nan), where=norm > 0
    )
    return rho
