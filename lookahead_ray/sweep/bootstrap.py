"""Paired bootstrap over prompts: many models, the same resamples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.evaluate.rates import credit, headline
from lookahead_ray.trial.record import COUNTED, Metric, TrialRecord

Array = NDArray[np.float64]

_ONE_SIGMA = 0.8413  # share of a normal variable below one standard deviation above its mean
_LEAST_FACTOR = 1.96


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference with its interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Objectives:
    """Objectives of the same models on the prompts as they are and on every resample."""

    point: Array  # (models,)
    resampled: Array  # (resamples, models)
    answer: float  # how much the objective moves with one answer of the metric that moves it most

    def minus(self, base: int) -> "Objectives":
        """All models' differences to one of them."""
        return Objectives(
            self.point - self.point[base], self.resampled - self.resampled[:, [base]], self.answer
        )

    def simultaneous(self, columns: Sequence[int], confidence: float = 0.95) -> list[Interval]:
        """Intervals that cover all of these columns' true values at once, by the bootstrap's max-|t|.

        The percentile way, for a ratio's resamples are skewed: each tail has a spread of its own, from the
        point to the resamples' 16 % or 84 % quantile, and one factor for all columns, the quantile of the
        columns' largest deviation on that side, in spreads, that leaves half of what `confidence` leaves (a
        normal variable's at least). A spread is at least one answer's worth, as a handful of prompts may not
        vary at all under resampling.
        """
        if not columns:
            return []
        point, resampled = self.point[columns], self.resampled[:, columns]
        below, above = (self._reach(side * (resampled - point), confidence) for side in (-1, 1))
        return [
            Interval(float(p), float(p - low), float(p + high))
            for p, low, high in zip(point, below, above, strict=True)
        ]

    def _reach(self, deviations: Array, confidence: float) -> Array:
        """(columns,): how far an interval reaches where `deviations` (resamples, columns) are positive."""
        spread = np.maximum(np.quantile(deviations, _ONE_SIGMA, axis=0), self.answer)
        largest = (deviations / spread).max(axis=1)
        factor: Array = max(float(np.quantile(largest, (1 + confidence) / 2)), _LEAST_FACTOR) * spread
        return factor


def outcomes(record: TrialRecord, metric: Metric) -> dict[str, bool]:
    """Whether each prompt's answer has the metric's counted verdict, by "suite/attack/prompt id".

    Of the rows that the record's own rate is computed from; a `dropped` answer has not.
    """
    return {
        f"{row.suite}/{row.attack}/{row.prompt_id}": row.verdict == COUNTED[metric]
        for row in headline(record.generations, metric)
    }


def objectives(
    models: Sequence[TrialRecord],
    seed_model: int,
    vanilla: int,
    config: WeightedObjective,
    seed: int,
    resamples: int,
) -> Objectives:
    """The objective of trial/objective.py for all models, its references resampled along with them.

    `seed_model` and `vanilla` are the references' places in `models`. A harmful prompt brings its rows of
    both RSR and JSR into a resample; task prompts are drawn apart from them. In a resample the seed's safety
    counts as at least one answer. All models must have the same prompts: `recommend` checks that.
    """
    rng = np.random.default_rng(seed)
    rsr, jsr = (_table(models, metric) for metric in ("rsr", "jsr"))
    prompts = sorted({*rsr, *jsr})
    utility = _table(models, "utility")
    draws = _draws(rng, len(prompts), resamples)
    safety = (_rates(rsr, prompts, draws) + _rates(jsr, prompts, draws)) / 2
    useful = _rates(utility, sorted(utility), _draws(rng, len(utility), resamples))
    least_safety = 0.5 / max(len(rsr), len(jsr))  # one answer of the two metrics' mean
    least_gain = 1 / len(utility)
    seed_safety = np.maximum(safety[:, [seed_model]], least_safety)
    gain = np.maximum(useful[:, [vanilla]] - useful[:, [seed_model]], least_gain)
    weight = config.safety_weight
    values = weight * safety / seed_safety + (1 - weight) * (useful - useful[:, [seed_model]]) / gain
    answer = max(weight * least_safety / seed_safety[0, 0], (1 - weight) * least_gain / gain[0, 0])
    return Objectives(values[0], values[1:], float(answer))


def _table(models: Sequence[TrialRecord], metric: Metric) -> dict[str, Array]:
    """By "suite/prompt id": (2, models) what each model's answers count, and how many are in its rate's n."""
    table: dict[str, Array] = {}
    for column, model in enumerate(models):
        for row in headline(model.generations, metric):
            cell = table.setdefault(f"{row.suite}/{row.prompt_id}", np.zeros((2, len(models))))
            cell[:, column] += credit(row), row.verdict != "dropped"
    return table


def _draws(rng: np.random.Generator, prompts: int, resamples: int) -> Array:
    """(resamples + 1, prompts): how often each prompt is drawn; the first row is the prompts as they are."""
    drawn = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples)
    return np.vstack([np.ones(prompts), drawn])


def _rates(table: dict[str, Array], prompts: Sequence[str], draws: Array) -> Array:
    """(resamples + 1, models): the rate in each draw."""
    none = np.zeros_like(next(iter(table.values())))
    cells = np.stack([table.get(prompt, none) for prompt in prompts])
    shares: Array = draws @ cells[:, 0] / np.maximum(draws @ cells[:, 1], 1)
    return shares
