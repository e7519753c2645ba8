"""Paired bootstrap over prompts and seeds: many models, the same resamples."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lookahead_ray.config.objective import Objective, ParetoObjective, SafetyPart
from lookahead_ray.evaluate.rates import headline
from lookahead_ray.sweep.candidates import Candidate
from lookahead_ray.sweep.draws import PromptDraws, Rows, SeedDraws, table_of
from lookahead_ray.sweep.intervals import Estimates, combined
from lookahead_ray.trial.objective import rows_of
from lookahead_ray.trial.record import COUNTED, Generation, Metric, TrialRecord


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


def check_same_prompts(models: Sequence[Candidate], objective: Objective) -> None:
    """Raise ValueError, naming the prompt, unless all runs were measured on the same prompts."""
    metrics: list[Metric] = ["rsr", "jsr", "utility"]
    if isinstance(objective, ParetoObjective) and objective.over_refusal:
        metrics.append("over_refusal")
    chosen: list[tuple[str, Rows]] = [(metric, partial(_headline, metric=metric)) for metric in metrics]
    chosen += [(part.metric, partial(rows_of, part=part)) for part in objective.safety]
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
    tables = {part: table_of(runs, partial(rows_of, part=part)) for part in (*own.values(), *parts)}
    suites: dict[str, set[str]] = {}
    for table in tables.values():
        suites.setdefault(table.suite, set()).update(table.cells)
    drawn = {suite: PromptDraws.make(rng, suites[suite], resamples) for suite in sorted(suites)}
    useful = table_of(runs, partial(_headline, metric="utility"))
    tasks = PromptDraws.make(rng, useful.cells, resamples)
    seeds = SeedDraws.make(rng, models, resamples)
    harmless = table_of(runs, partial(_headline, metric="over_refusal"))
    refused = None
    if harmless.cells:
        refused = seeds.rates(harmless, PromptDraws.make(rng, harmless.cells, resamples))
    rates = {part: seeds.rates(table, drawn[table.suite]) for part, table in tables.items()}
    return Rates(
        safety=_weighted_mean([(part.weight, rates[part]) for part in parts]),
        rsr=rates[own["rsr"]],
        jsr=rates[own["jsr"]],
        utility=seeds.rates(useful, tasks),
        over_refusal=refused,
    )


def metric_rates(
    candidate: Candidate, metric: Metric, seed: int = 0, resamples: int = 1000
) -> Estimates | None:
    """One configuration's own rate of a metric, with its resamples; None without rows."""
    rng = np.random.default_rng(seed)
    table = table_of(candidate.runs, partial(_headline, metric=metric))
    if not table.cells:
        return None
    drawn = PromptDraws.make(rng, table.cells, resamples)
    return SeedDraws.make(rng, [candidate], resamples).rates(table, drawn)


def _weighted_mean(parts: Sequence[tuple[float, Estimates]]) -> Estimates:
    total = sum(weight for weight, _ in parts)
    shares = [weight / total for weight, _ in parts]
    rates = [numbers for _, numbers in parts]
    answer = np.max([share * one.answer for share, one in zip(shares, rates, strict=True)], axis=0)
    return combined(lambda *values: np.tensordot(shares, np.stack(values), axes=1), rates, answer)


def _headline(record: TrialRecord, metric: Metric) -> list[Generation]:
    return headline(record.generations, metric)


def _place(row: Generation) -> str:
    return f"{row.suite}/{row.attack}/{row.prompt_id}"
