"""Paired bootstrap over prompts and seeds: many models, the same resamples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lookahead_ray.config.objective import SafetyPart
from lookahead_ray.evaluate.rates import credit, headline
from lookahead_ray.sweep.candidates import Candidate
from lookahead_ray.sweep.estimates import Array, Estimates, combined
from lookahead_ray.trial.objective import rows_of
from lookahead_ray.trial.record import COUNTED, Generation, Metric, TrialRecord

Rows = Callable[[TrialRecord], list[Generation]]
"""The rows that a rate is over."""


@dataclass(frozen=True)
class Rates:
    """What was measured of each model, with its resamples."""

    safety: Estimates  # the weighted mean of the objective's parts
    rsr: Estimates
    jsr: Estimates
    utility: Estimates
    over_refusal: Estimates | None  # None where it was not measured


def outcomes(record: TrialRecord, metric: Metric) -> dict[str, bool]:
    """Whether each prompt's answer has the metric's counted verdict, by "suite/attack/prompt id".

    Of the rows that the record's own rate is computed from; a `dropped` answer has not.
    """
    return {_place(row): row.verdict == COUNTED[metric] for row in headline(record.generations, metric)}


def check_same_prompts(models: Sequence[Candidate], parts: Sequence[SafetyPart]) -> None:
    """Raise ValueError, naming the prompt, unless all runs were measured on the same prompts."""
    chosen: list[tuple[str, Rows]] = [
        (metric, partial(_headline, metric=metric)) for metric in ("rsr", "jsr", "utility")
    ]
    chosen += [(part.metric, partial(rows_of, part=part)) for part in parts]
    runs = [run for model in models for run in model.runs]
    for metric, rows in chosen:
        expected = {_place(row) for row in rows(runs[0])}
        for run in runs:
            different = expected ^ {_place(row) for row in rows(run)}
            if different or not expected:
                prompt = min(different, default="none at all")
                raise ValueError(
                    f"trial {run.trial_id}: {metric} must have the same prompts as trial "
                    f"{runs[0].trial_id}, got a difference at {prompt}"
                )


def resample(models: Sequence[Candidate], parts: Sequence[SafetyPart], seed: int, resamples: int) -> Rates:
    """All models' rates on the same draws of prompts and seeds.

    A harmful prompt brings all its rows into a resample, of RSR and of every attack; suites, harmless
    requests and task prompts are drawn apart. Prompts and seeds are drawn independently of each other, which
    makes intervals a little too wide rather than too narrow (pigeonhole bootstrap, Owen 2007). Of a model's n
    seeds n - 1 are drawn, which leaves the variance of a mean over few runs unbiased (McCarthy and Snowden
    1985); each draw ranks all seeds at random and takes of each model the first that it has, so that models
    are compared on the same seeds as far as they share them. All models must have the same prompts.
    """
    rng = np.random.default_rng(seed)
    runs = [run for model in models for run in model.runs]
    own = {"rsr": SafetyPart(metric="rsr"), "jsr": SafetyPart(metric="jsr")}
    tables = {part: _table(runs, partial(rows_of, part=part)) for part in (*own.values(), *parts)}
    suites: dict[str, set[str]] = {}
    for table in tables.values():
        suites.setdefault(table.suite, set()).update(table.cells)
    drawn = {
        suite: _Drawn(sorted(suites[suite]), _draws(rng, len(suites[suite]), resamples))
        for suite in sorted(suites)
    }
    useful = _table(runs, partial(_headline, metric="utility"))
    tasks = _Drawn(sorted(useful.cells), _draws(rng, len(useful.cells), resamples))
    harmless = _table(runs, partial(_headline, metric="over_refusal"))
    seeds = _SeedDraws.make(rng, models, resamples)
    rates = {part: seeds.rates(table, drawn[table.suite]) for part, table in tables.items()}
    return Rates(
        safety=_weighted_mean([(part.weight, rates[part]) for part in parts]),
        rsr=rates[own["rsr"]],
        jsr=rates[own["jsr"]],
        utility=seeds.rates(useful, tasks),
        over_refusal=seeds.rates(
            harmless, _Drawn(sorted(harmless.cells), _draws(rng, len(harmless.cells), resamples))
        )
        if harmless.cells
        else None,
    )


@dataclass(frozen=True)
class _Table:
    suite: str
    cells: dict[str, Array]  # prompt id: (2, runs) what the answers count, and how many are in the rate's n


@dataclass(frozen=True)
class _Drawn:
    prompts: list[str]
    counts: (
        Array  # (resamples + 1, prompts): how often each is drawn; the first row is the prompts as they are
    )


@dataclass(frozen=True)
class _SeedDraws:
    """How often each run is drawn."""

    starts: list[int]  # first run of each model
    counts: Array  # (resamples + 1, runs); the first row is the seeds as they are
    freedom: Array  # (models,)

    @classmethod
    def make(cls, rng: np.random.Generator, models: Sequence[Candidate], resamples: int) -> "_SeedDraws":
        sizes = [len(model.runs) for model in models]
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        freedom = np.array([size - 1 if size > 1 else np.inf for size in sizes])
        counts = np.ones((resamples + 1, sum(sizes)))
        seeds = sorted({seed for model in models for seed in model.seeds})
        order = rng.random((resamples, max(sizes) - 1, len(seeds)))  # of each draw, seeds by rising value
        for start, size, model in zip(starts, sizes, models, strict=True):
            if size > 1:
                own = order[:, : size - 1, [seeds.index(seed) for seed in model.seeds]]
                first = own.argmin(axis=2)
                counts[1:, start : start + size] = (first[:, :, None] == np.arange(size)).sum(axis=1)
        return cls(starts, counts, freedom)

    def rates(self, table: _Table, drawn: _Drawn) -> Estimates:
        none = np.zeros((2, self.counts.shape[1]))
        cells = np.stack([table.cells.get(prompt, none) for prompt in drawn.prompts])
        both = self._shares(drawn.counts @ cells[:, 0], drawn.counts @ cells[:, 1])
        alone = self._shares(*cells.sum(axis=0)[:, None]) if np.isfinite(self.freedom).any() else both[:1]
        answer = np.full(len(self.starts), 1 / len(table.cells))
        return Estimates(both[0], both[1:], alone, answer, self.freedom)

    def _shares(self, counted: Array, sizes: Array) -> Array:
        """(resamples + 1, models) from (resamples + 1, runs), or from (1, runs) of the prompts as they are."""
        summed = [np.add.reduceat(self.counts * part, self.starts, axis=1) for part in (counted, sizes)]
        shares: Array = summed[0] / np.maximum(summed[1], 1)
        return shares


def _weighted_mean(parts: Sequence[tuple[float, Estimates]]) -> Estimates:
    total = sum(weight for weight, _ in parts)
    shares = [weight / total for weight, _ in parts]
    rates = [numbers for _, numbers in parts]
    answer = np.max([share * one.answer for share, one in zip(shares, rates, strict=True)], axis=0)
    return combined(lambda *values: np.tensordot(shares, np.stack(values), axes=1), rates, answer)


def _table(runs: Sequence[TrialRecord], rows: Rows) -> _Table:
    suite, cells = "", {}
    for column, run in enumerate(runs):
        for row in rows(run):
            suite = row.suite
            cell = cells.setdefault(row.prompt_id, np.zeros((2, len(runs))))
            cell[:, column] += credit(row), row.verdict != "dropped"
    return _Table(suite, cells)


def _draws(rng: np.random.Generator, prompts: int, resamples: int) -> Array:
    drawn = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples)
    return np.vstack([np.ones(prompts), drawn])


def _headline(record: TrialRecord, metric: Metric) -> list[Generation]:
    return headline(record.generations, metric)


def _place(row: Generation) -> str:
    return f"{row.suite}/{row.attack}/{row.prompt_id}"
