"""The bootstrap's draws of prompts and of seeds, and the rates in each of them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lookahead_ray.evaluate.rates import credit
from lookahead_ray.sweep.candidates import Candidate
from lookahead_ray.sweep.intervals import Array, Estimates
from lookahead_ray.trial.record import Generation, TrialRecord

Rows = Callable[[TrialRecord], list[Generation]]
"""The rows that a rate is over."""


@dataclass(frozen=True)
class Table:
    """One rate's answers."""

    suite: str
    cells: dict[str, Array]  # prompt id: (2, runs) what the answers count, and how many are in the rate's n


@dataclass(frozen=True)
class PromptDraws:
    """How often each prompt is drawn."""

    prompts: list[str]
    counts: Array  # (resamples + 1, prompts); the first row is the prompts as they are

    @classmethod
    def make(cls, rng: np.random.Generator, prompts: Collection[str], resamples: int) -> "PromptDraws":
        """Each prompt as likely as any other, as many as there are."""
        size = len(prompts)
        drawn = rng.multinomial(size, np.full(size, 1 / size), size=resamples)
        return cls(sorted(prompts), np.vstack([np.ones(size), drawn]))


@dataclass(frozen=True)
class SeedDraws:
    """How often each run is drawn."""

    starts: list[int]  # first run of each model
    counts: Array  # (resamples + 1, runs); the first row is the seeds as they are
    freedom: Array  # (models,)

    @classmethod
    def make(cls, rng: np.random.Generator, models: Sequence[Candidate], resamples: int) -> "SeedDraws":
        """Of n seeds n - 1; models with the same seeds have the same draws."""
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

    def rates(self, table: Table, drawn: PromptDraws) -> Estimates:
        """Each model's rate of the table, in each draw."""
        none = np.zeros((2, self.counts.shape[1]))
        cells = np.stack([table.cells.get(prompt, none) for prompt in drawn.prompts])
        both = self._shares(drawn.counts @ cells[:, 0], drawn.counts @ cells[:, 1])
        alone = self._shares(*cells.sum(axis=0)[:, None]) if np.isfinite(self.freedom).any() else both[:1]
        answer = np.full(len(self.starts), 1 / len(table.cells))
        return Estimates(both[0], both[1:], alone, answer, self.freedom)

    def _shares(self, counted: Array, sizes: Array) -> Array:
        """(resamples + 1, models) from (resamples + 1, runs), or from (1, runs) without resamples."""
        summed = [np.add.reduceat(self.counts * part, self.starts, axis=1) for part in (counted, sizes)]
        shares: Array = summed[0] / np.maximum(summed[1], 1)
        return shares


def table_of(runs: Sequence[TrialRecord], rows: Rows) -> Table:
    """The answers that `rows` picks of each run."""
    suite = ""
    cells: dict[str, Array] = {}
    for column, run in enumerate(runs):
        for row in rows(run):
            suite = row.suite
            cell = cells.setdefault(row.prompt_id, np.zeros((2, len(runs))))
            cell[:, column] += credit(row), row.verdict != "dropped"
    return Table(suite, cells)
