"""Paired bootstrap over prompts and random seeds: many models, the same resamples."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from lookahead_ray.config.objective import Objective, SafetyPart
from lookahead_ray.evaluate.rates import compliance, credit, headline
from lookahead_ray.objective.base import rows_of
from lookahead_ray.objective.judgement import ModelRates
from lookahead_ray.stats.simultaneous import Array, Bootstrapped, combined
from lookahead_ray.sweep.recommend.candidates import Candidate, Field
from lookahead_ray.trial.record import COUNTED, Generation, Metric, TrialRecord

SelectRows = Callable[[TrialRecord], list[Generation]]
"""A function that selects the rows of a rate."""


def counted_verdicts(record: TrialRecord, metric: Metric) -> dict[str, bool]:
    """Return whether each prompt's answer has the metric's counted verdict, by "suite/attack/prompt id".

    Uses the rows of the record's own rate; a `dropped` answer does not have the verdict.
    """
    return {_prompt_key(row): row.verdict == COUNTED[metric] for row in headline(record.generations, metric)}


def check_same_prompts(models: Sequence[Candidate], objective: Objective) -> None:
    """Raise ValueError, naming the prompt, unless all runs were measured on the same prompts."""
    metrics: list[Metric] = ["rsr", "jsr", "utility"]
    if objective.needs_over_refusal:
        metrics.append("over_refusal")
    chosen: list[tuple[str, SelectRows]] = [(metric, partial(_headline, metric=metric)) for metric in metrics]
    chosen += [(part.metric, partial(rows_of, part=part)) for part in objective.safety]
    runs = [run for model in models for run in model.runs]
    for metric, select in chosen:
        expected = {_prompt_key(row) for row in select(runs[0])}
        for run in runs:
            differing = expected ^ {_prompt_key(row) for row in select(run)}
            if differing or not expected:
                prompt = min(differing, default="none at all")
                raise ValueError(
                    f"trial {run.trial_id}: {metric} must have the same prompts as trial "
                    f"{runs[0].trial_id}, got a difference at {prompt}"
                )


def with_same_prompts(field: Field, objective: Objective) -> Field:
    """Return `field` without the candidates that were measured on other prompts than the references.

    Raises:
        ValueError: the references themselves differ, or no candidate is left; the message names a prompt.
    """
    try:
        check_same_prompts(field.models, objective)
    except ValueError:
        kept, left_out, reason = [], list(field.left_out), None
        for candidate in field.candidates:
            try:
                check_same_prompts((field.seed_model, field.vanilla, candidate), objective)
                kept.append(candidate)
            except ValueError as error:
                reason = reason or error
                left_out.append(f"{candidate.trial_id}, which was measured on other prompts")
        if reason and not kept:
            raise reason from None
        return replace(field, candidates=tuple(kept), left_out=tuple(left_out))
    return field


def resample(
    models: Sequence[Candidate], parts: Sequence[SafetyPart], seed: int, resamples: int
) -> ModelRates:
    """Compute all models' rates on the same draws of prompts and random seeds.

    A harmful prompt enters a resample with all its rows, those of RSR and of every attack; suites, harmless
    requests and task prompts are drawn separately. Prompts and random seeds are drawn independently, which
    makes intervals slightly too wide rather than too narrow (pigeonhole bootstrap, Owen 2007). n - 1 of a
    model's n random seeds are drawn, which leaves the variance of a mean over few runs unbiased (McCarthy and
    Snowden 1985). Each draw shuffles the random seeds and gives every model the first one it was trained
    with, so models are compared on shared random seeds where possible. All models must have the same prompts.
    """
    rng = np.random.default_rng(seed)
    runs = [run for model in models for run in model.runs]
    rsr, jsr = SafetyPart(metric="rsr"), SafetyPart(metric="jsr")
    tables = {part: answer_table(runs, partial(rows_of, part=part)) for part in (rsr, jsr, *parts)}
    suites: dict[str, set[str]] = {}
    for table in tables.values():
        suites.setdefault(table.suite, set()).update(table.cells)
    drawn = {suite: PromptDraws.make(rng, suites[suite], resamples) for suite in sorted(suites)}
    utility = answer_table(runs, partial(_headline, metric="utility"))
    task_prompts = PromptDraws.make(rng, utility.cells, resamples)
    seeds = SeedDraws.make(rng, models, resamples)
    harmless = answer_table(runs, partial(_headline, metric="over_refusal"), compliance)
    answered = None
    if harmless.cells:
        answered = seeds.rates(harmless, PromptDraws.make(rng, harmless.cells, resamples))
    rates = {part: seeds.rates(table, drawn[table.suite]) for part, table in tables.items()}
    return ModelRates(
        safety=_weighted_mean([(part.weight, rates[part]) for part in parts]),
        rsr=rates[rsr],
        jsr=rates[jsr],
        utility=seeds.rates(utility, task_prompts),
        compliance=answered,
    )


def metric_rates(
    candidate: Candidate, metric: Metric, seed: int = 0, resamples: int = 1000
) -> Bootstrapped | None:
    """Return a configuration's rate of a metric, with its resamples; None without rows."""
    rng = np.random.default_rng(seed)
    table = answer_table(candidate.runs, partial(_headline, metric=metric))
    if not table.cells:
        return None
    drawn = PromptDraws.make(rng, table.cells, resamples)
    return SeedDraws.make(rng, [candidate], resamples).rates(table, drawn)


def _weighted_mean(parts: Sequence[tuple[float, Bootstrapped]]) -> Bootstrapped:
    total = sum(weight for weight, _ in parts)
    shares = [weight / total for weight, _ in parts]
    rates = [numbers for _, numbers in parts]
    answer = np.max([share * one.answer for share, one in zip(shares, rates, strict=True)], axis=0)
    return combined(lambda *values: np.tensordot(shares, np.stack(values), axes=1), rates, answer)


def _headline(record: TrialRecord, metric: Metric) -> list[Generation]:
    return headline(record.generations, metric)


def _prompt_key(row: Generation) -> str:
    return f"{row.suite}/{row.attack}/{row.prompt_id}"


@dataclass(frozen=True)
class AnswerTable:
    """The answers of one rate."""

    suite: str
    cells: dict[str, Array]  # prompt id: (2, runs), the answers' credit, and their number in the rate's n


@dataclass(frozen=True)
class PromptDraws:
    """The number of times that each prompt is drawn."""

    prompts: list[str]
    counts: Array  # (resamples + 1, prompts); the first row is the original sample

    @classmethod
    def make(cls, rng: np.random.Generator, prompts: Collection[str], resamples: int) -> "PromptDraws":
        """Draw as many prompts as there are, uniformly with replacement."""
        size = len(prompts)
        drawn = rng.multinomial(size, np.full(size, 1 / size), size=resamples)
        return cls(sorted(prompts), np.vstack([np.ones(size), drawn]))


@dataclass(frozen=True)
class SeedDraws:
    """The number of times that each run is drawn."""

    starts: list[int]  # first run of each model
    counts: Array  # (resamples + 1, runs); the first row is the original sample
    freedom: Array  # (models,): seeds - 1; inf for one seed

    @classmethod
    def make(cls, rng: np.random.Generator, models: Sequence[Candidate], resamples: int) -> "SeedDraws":
        """Draw n - 1 of n seeds; models with the same seeds have the same draws."""
        sizes = [len(model.runs) for model in models]
        starts = [sum(sizes[:index]) for index in range(len(sizes))]
        freedom = np.array([size - 1 if size > 1 else np.inf for size in sizes])
        counts = np.ones((resamples + 1, sum(sizes)))
        seeds = sorted({seed for model in models for seed in model.seeds})
        order = rng.random((resamples, max(sizes) - 1, len(seeds)))  # per draw, the seeds' ranking
        for start, size, model in zip(starts, sizes, models, strict=True):
            if size > 1:
                own = order[:, : size - 1, [seeds.index(seed) for seed in model.seeds]]
                first = own.argmin(axis=2)
                counts[1:, start : start + size] = (first[:, :, None] == np.arange(size)).sum(axis=1)
        return cls(starts, counts, freedom)

    def rates(self, table: AnswerTable, drawn: PromptDraws) -> Bootstrapped:
        """Return each model's rate of the table, in each draw."""
        none = np.zeros((2, self.counts.shape[1]))
        cells = np.stack([table.cells.get(prompt, none) for prompt in drawn.prompts])
        resampled = self._shares(drawn.counts @ cells[:, 0], drawn.counts @ cells[:, 1])
        if np.isfinite(self.freedom).any():
            counted, sizes = cells.sum(axis=0)
            by_seeds = self._shares(counted[None], sizes[None])
        else:
            by_seeds = resampled[:1]
        answer = np.full(len(self.starts), 1 / len(table.cells))
        return Bootstrapped(resampled[0], resampled[1:], by_seeds, answer, self.freedom)

    def _shares(self, counted: Array, sizes: Array) -> Array:
        """Return (resamples + 1, models) from (resamples + 1, runs), or from (1, runs) without resamples."""
        summed = [np.add.reduceat(self.counts * part, self.starts, axis=1) for part in (counted, sizes)]
        shares: Array = summed[0] / np.maximum(summed[1], 1)
        return shares


def answer_table(
    runs: Sequence[TrialRecord], select: SelectRows, counted: Callable[[Generation], float] = credit
) -> AnswerTable:
    """Return a table of the answers that `select` returns for each run, with what each counts."""
    suite = ""
    cells: dict[str, Array] = {}
    for column, run in enumerate(runs):
        for row in select(run):
            suite = row.suite
            cell = cells.setdefault(row.prompt_id, np.zeros((2, len(runs))))
            cell[:, column] += counted(row), row.verdict != "dropped"
    return AnswerTable(suite, cells)
