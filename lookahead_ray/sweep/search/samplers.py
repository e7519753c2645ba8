"""Optuna's samplers, created again for every suggestion, so that suggestions depend on no internal state.

A sampler is seeded by the search's random seed, the number of the suggested trial and the attempt: from the
same history, a resumed search suggests exactly what an uninterrupted one does.

In a conditional space TPE models each group of dimensions that occur together. The GP and NSGA-II model the
dimensions common to all trials, and draw at random those that exist only in some trials.
"""

from typing import Any

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
from lookahead_ray.config.variants import Variant


def _tpe(config: TpeSampler, seed: int) -> BaseSampler:
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=config.startup_trials, multivariate=True, group=True
    )


def _gp(config: GpSampler, seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=config.startup_trials, warn_independent_sampling=False
    )


def _nsga2(config: Nsga2Sampler, seed: int) -> BaseSampler:
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=config.population_size)


def _random(config: RandomSampler | GridSampler, seed: int) -> BaseSampler:
    """Return a random sampler; a grid's points, which `grid.py` lists, need it if they omit dimensions."""
    return optuna.samplers.RandomSampler(seed=seed)


SAMPLERS: dict[str, Variant[Any, [int], BaseSampler]] = {
    "tpe": Variant(TpeSampler, _tpe),
    "gp": Variant(GpSampler, _gp),
    "nsga2": Variant(Nsga2Sampler, _nsga2),
    "random": Variant(RandomSampler, _random),
    "grid": Variant(GridSampler, _random),
}
"""Sampler name -> its configuration class, and the function that makes the sampler from it and a seed."""


def make_sampler(
    config: SamplerConfig, seed: int, number: int, attempt: int, further: int = 0
) -> BaseSampler:
    """Return the sampler for one suggestion.

    `further` trials of its study are further points of a training, which are no start-up trials.
    """
    if further and isinstance(config, TpeSampler | GpSampler):
        config = config.model_copy(update={"startup_trials": config.startup_trials + further})
    state = int(SeedSequence([seed, number, attempt]).generate_state(1)[0])
    return SAMPLERS[config.name](config, state)


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
