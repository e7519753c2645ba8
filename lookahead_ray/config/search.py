"""How a space is searched, for how long, and how the winner is confirmed."""

from typing import Annotated, Any, Literal

from pydantic import Field

from lookahead_ray.config.base import Config


class TpeSampler(Config):
    """Tree-structured Parzen estimator, multivariate and grouped (Optuna)."""

    name: Literal["tpe"] = "tpe"

    startup_trials: int = Field(8, ge=0)
    """Trials sampled at random before the estimator takes over."""


class GpSampler(Config):
    """Gaussian process with expected (hypervolume) improvement (Optuna)."""

    name: Literal["gp"]

    startup_trials: int = Field(8, ge=1)
    """Trials sampled at random before the process takes over."""


class Nsga2Sampler(Config):
    """Genetic search by non-dominated sorting (Optuna)."""

    name: Literal["nsga2"]

    population_size: int = Field(12, ge=2)
    """Trials of one generation."""


class RandomSampler(Config):
    """Independent random draws (Optuna)."""

    name: Literal["random"]


class GridSampler(Config):
    """Every point of a grid once, in an order drawn with the seed; conditional dimensions included."""

    name: Literal["grid"]

    points: dict[str, Annotated[int, Field(ge=2)]] = Field(default_factory=dict)
    """Dimension -> how many of its values, evenly spaced with both ends; what is left out has every whole
    number of a range, or 3 of a range of reals."""


SamplerConfig = Annotated[
    TpeSampler | GpSampler | Nsga2Sampler | RandomSampler | GridSampler, Field(discriminator="name")
]


class StoppingConfig(Config):
    """Asynchronous successive halving on what is measured after each epoch without generating anything."""

    grace_epochs: int = Field(3, ge=1)
    """Epochs that every trial is trained."""

    reduction: float = Field(1.25, gt=1)
    """Of the trials that have come as far, the best one in `reduction` goes on: 1.25 stops one in five."""

    least_trials: int = Field(4, ge=1)
    """Nobody is stopped before so many trials have come as far."""


class PlateauConfig(Config):
    """Stop where further trials gain nothing."""

    trials: int = Field(10, ge=1)
    """Trials in a row over which the hypervolume has to grow."""

    gain: float = Field(0.01, ge=0)
    """Least growth over them, as a share of the hypervolume."""


class BudgetConfig(Config):
    """When a search ends besides `search.trials`: whichever comes first."""

    hours: float | None = Field(None, gt=0)
    """Wall-clock time of all sessions of the sweep together."""

    accelerator_hours: float | None = Field(None, gt=0)
    """Time of trials multiplied by the GPUs, or without GPUs the CPU cores, that each holds."""

    plateau: PlateauConfig | None = None
    """Stop on a plateau of the hypervolume; null does not look at it."""


class ConfirmConfig(Config):
    """More seeds for the candidates near the front, so that intervals cover training, not prompts alone."""

    candidates: int = Field(4, ge=1)
    """How many of the best are run again first; each round keeps the better half."""

    seeds: int = Field(2, ge=1)
    """Further seeds that the finalists, and vanilla beside them, end with."""


class ElasticConfig(Config):
    """Fewer ranks for a trial whose machines are gone, rather than waiting for ever for others."""

    min_workers: int = Field(1, ge=1)
    """Ranks that a trial has at least."""

    after_minutes: float = Field(15.0, gt=0)
    """How long it waits for all of `workers` first: longer than a machine takes to come."""


class SearchConfig(Config):
    """How the space is searched."""

    trials: int = Field(10, ge=1)
    """Trials that the sampler suggests, besides the two references and the repeats of `confirm`."""

    sampler: SamplerConfig = TpeSampler()

    seed: int = Field(0, ge=0)
    """Seed of the sampler."""

    enqueue: tuple[dict[str, Any], ...] = Field((), strict=False)
    """Points to try first: dimension name -> value; what a point leaves out is sampled."""

    reference: dict[str, Any] = Field(default_factory=dict)
    """Values of dimensions, by name, in the references; by default a range's middle, a choice's first."""

    warm_start: tuple[str, ...] = Field((), strict=False)
    """Runs of earlier sweeps whose trials, where they fit, the sampler learns from.

    Their references are this sweep's, where they would be the same.
    """

    stopping: StoppingConfig | None = None
    """Stop the hopeless after some epochs; null trains every trial to its end."""

    budget: BudgetConfig = BudgetConfig()

    confirm: ConfirmConfig | None = None
    """Run the best again with more seeds once the search has ended; null recommends from one seed."""

    max_concurrent: int | None = Field(None, ge=1)
    """Most trials at once; null derives it from the cluster's resources."""

    max_failures: int = Field(2, ge=0)
    """How often a trial whose process died is started again, from its last checkpoint."""

    elastic: ElasticConfig | None = None
    """Train with fewer ranks, on the same global batches, where the cluster has shrunk; null waits."""

    checkpoint_epochs: int | None = Field(1, ge=1)
    """Epochs between checkpoints of a running trial; none is written after its last. null writes none."""


WITHOUT_EFFECT = (
    "trials",
    "budget",
    "confirm",
    "max_concurrent",
    "max_failures",
    "elastic",
    "checkpoint_epochs",
)
"""What may differ when a sweep goes on: none of it changes what a trial is, or the order of the points."""
