"""Optuna's samplers, created again for every suggestion, so that suggestions depend on no internal state.

A sampler is seeded by the search's random seed, the number of the suggested trial and the attempt: from the
same history, a resumed search suggests exactly what an uninterrupted one does.

In a conditional space TPE models each group of dimensions that occur together. The GP and NSGA-II model the
dimensions common to all trials, and draw at random those that exist only in some trials.
"""

from typing import assert_never

import optuna
from numpy.random import SeedSequence
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseGASampler, BaseSampler

from lookahead_ray.config.dimension import Choice, Dimension, Value
from lookahead_ray.config.search import (
    GpSampler,
    GridSampler,
    Nsga2Sampler,
    RandomSampler,
    SamplerConfig,
    TpeSampler,
)


def make_sampler(config: SamplerConfig, seed: int, number: int, attempt: int) -> BaseSampler:
    """Return the sampler for one suggestion; a grid's is random, for values that enqueued points omit."""
    state = int(SeedSequence([seed, number, attempt]).generate_state(1)[0])
    match config:
        case TpeSampler(startup_trials=startup):
            return optuna.samplers.TPESampler(
                seed=state, n_startup_trials=startup, multivariate=True, group=True
            )
        case GpSampler(startup_trials=startup):
            return optuna.samplers.GPSampler(
                seed=state, n_startup_trials=startup, warn_independent_sampling=False
            )
        case Nsga2Sampler(population_size=size):
            return optuna.samplers.NSGAIISampler(seed=state, population_size=size)
        case RandomSampler() | GridSampler():
            return optuna.samplers.RandomSampler(seed=state)
        case _:
            assert_never(config)


def note_generation(study: optuna.Study, config: SamplerConfig) -> None:
    """Assign the newest trial to the current generation, if the sampler has generations.

    Its parents are fixed at the same time, as they were when it was drawn: later they might differ.
    """
    sampler = make_sampler(config, 0, 0, 0)
    if isinstance(sampler, BaseGASampler):
        newest = study.get_trials(deepcopy=False)[-1]
        sampler.get_parent_population(study, sampler.get_trial_generation(study, newest))


def suggest(trial: optuna.trial.Trial, dimension: Dimension) -> Value:
    """Return the value that the study's sampler picks for the dimension."""
    if isinstance(dimension, Choice):
        return trial.suggest_categorical(dimension.name, dimension.labels)
    if dimension.kind == "int":
        return trial.suggest_int(dimension.name, int(dimension.low), int(dimension.high))
    return trial.suggest_float(
        dimension.name, dimension.low, dimension.high, log=dimension.kind == "loguniform"
    )


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return the Optuna distribution from which `suggest` draws."""
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.labels)
    if dimension.kind == "int":
        return IntDistribution(int(dimension.low), int(dimension.high))
    return FloatDistribution(dimension.low, dimension.high, log=dimension.kind == "loguniform")
