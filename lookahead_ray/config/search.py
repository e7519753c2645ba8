"""Settings of a search: the sampler, the budget, and the confirmation of the best trials."""

from typing import Annotated, Any, Literal

from pydantic import Field

from lookahead_ray.config.base import Config
from lookahead_ray.config.variants import Extensible


class TpeSampler(Config):
    """Tree-structured Parzen estimator, multivariate and grouped (Optuna)."""

    name: Literal["tpe"] = "tpe"

    startup_trials: int = Field(8, ge=0)
    """Number of trials sampled at random before the estimator is used."""


class GpSampler(Config):
    """Gaussian process with expected (hypervolume) improvement (Optuna)."""

    name: Literal["gp"]

    startup_trials: int = Field(8, ge=1)
    """Number of trials sampled at random before the Gaussian process is used."""


class Nsga2Sampler(Config):
    """Genetic search by non-dominated sorting (Optuna)."""

    name: Literal["nsga2"]

    population_size: int = Field(12, ge=2)
    """Number of trials per generation."""


class RandomSampler(Config):
    """Independent random draws (Optuna)."""

    name: Literal["random"]


class GridSampler(Config):
    """Grid search: every point once, in random order (`search.seed`), conditional dimensions included."""

    name: Literal["grid"]

    points: dict[str, Annotated[int, Field(ge=2)]] = Field(default_factory=dict)
    """Range dimension -> number of values, evenly spaced with both ends. A dimension that is left out has
    every whole number of an int range, or 3 values of a real range."""


SamplerConfig = Annotated[
    TpeSampler | GpSampler | Nsga2Sampler | RandomSampler | GridSampler,
    Field(discriminator="name"),
    Extensible("lookahead_ray.sweep.search.samplers:SAMPLERS"),
]


class StoppingConfig(Config):
    """Early stopping by asynchronous successive halving on the loss and KL after each epoch.

    Nothing is generated for it.
    """

    grace_epochs: int = Field(3, ge=1)
    """Minimum number of epochs for every trial."""

    reduction: float = Field(1.25, gt=1)
    """At each rung (after `grace_epochs` times a power of `reduction`), the best 1/`reduction` of the trials
    that have reached it continue: 1.25 stops one in five."""

    least_trials: int = Field(4, ge=1)
    """Minimum number of trials that must have reached a rung before a trial is stopped there."""


class PlateauConfig(Config):
    """End of the search when further trials gain nothing."""

    trials: int = Field(10, ge=1)
    """Number of consecutive trials over which the growth of the hypervolume is measured."""

    gain: float = Field(0.01, ge=0)
    """Minimum relative growth of the hypervolume over these trials; below it, the search ends."""


class BudgetConfig(Config):
    """Limits of a search in addition to `search.trials`; the first limit reached ends it."""

    hours: float | None = Field(None, gt=0)
    """Wall-clock time of all sessions of the sweep together, killed ones included, in hours; null: no limit.

    Once it is used up, running trials other than the references end without a result. A later session with a
    larger budget continues them from their checkpoints."""

    accelerator_hours: float | None = Field(None, gt=0)
    """Sum over trials of hours times GPUs held, or CPU cores if a trial holds no GPU; null sets no limit.

    Waiting for machines does not count; attempts that ended without a result do."""

    plateau: PlateauConfig | None = None
    """End the search on a plateau of the hypervolume; null never does."""


class ConfirmConfig(Config):
    """Repeats of the candidates near the front with more random seeds.

    With repeats, the intervals cover the variation of training, not only of prompts.
    """

    candidates: int = Field(4, ge=1)
    """Number of best candidates that are repeated first; each further round keeps the better half."""

    seeds: int = Field(2, ge=1)
    """Number of further random seeds with which the finalists, and vanilla, are trained in the end."""


class ElasticConfig(Config):
    """Training with fewer ranks when machines are lost, instead of waiting for replacements for ever."""

    min_workers: int = Field(1, ge=1)
    """Minimum number of ranks of a trial."""

    after_minutes: float = Field(15.0, gt=0)
    """Minutes to wait for all of `workers` first; should exceed the time a machine takes to start."""


class SearchConfig(Config):
    """Settings of the search."""

    trials: int = Field(10, ge=1)
    """Number of trials that the sampler suggests, in addition to the two reference trials and the
    repeats of `confirm`."""

    sampler: SamplerConfig = TpeSampler()
    """Algorithm that suggests trials."""

    seed: int = Field(0, ge=0)
    """Random seed of the sampler."""

    enqueue: tuple[dict[str, Any], ...] = Field((), strict=False)
    """Points to try first, each a mapping of dimension name -> value; dimensions left out are sampled.

    An option is chosen if the point has a dimension that exists in that option only."""

    reference: dict[str, Any] = Field(default_factory=dict)
    """Dimension name -> value in the reference trials; default is the middle of a range, a choice's first
    option."""

    warm_start: tuple[str, ...] = Field((), strict=False)
    """Runs (directories or URLs) of earlier sweeps; the sampler learns from their trials that fit this space.

    Their reference trials are reused if they would be identical in this sweep.
    """

    stopping: StoppingConfig | None = None
    """Stop unpromising trials after some epochs; null trains every trial to its end."""

    measure: Literal["whole", "sequential"] = Field("whole", exclude_if=lambda value: value == "whole")
    """Prompts on which the search's points are measured. `whole` asks all; `sequential` asks a quarter, then
    half of them, and the rest only while the point is not below the floor or a committed point beyond the
    noise. Reference trials, repeats, and whatever can be recommended are measured whole."""

    budget: BudgetConfig = BudgetConfig()

    confirm: ConfirmConfig | None = None
    """Repeat the best trials with more random seeds after the search; null recommends from one seed."""

    max_concurrent: int | None = Field(None, ge=1)
    """Maximum number of concurrent trials; null derives it from the cluster's resources."""

    max_failures: int = Field(2, ge=0)
    """Maximum number of restarts, from the last checkpoint, of a trial whose process died."""

    stop_after_failures: int = Field(3, ge=1)
    """Number of consecutive trials that fail through the infrastructure (a full disk, storage, the hub,
    memory that others hold, lost machines) after which the sweep stops; see `max_attempts`.

    Such trials are not committed: they run again at the end of the search, or with --resume."""

    max_attempts: int = Field(5, ge=1)
    """Number of attempts, over all sessions, after which a trial that fails through the infrastructure, or
    during which the driver is killed, is committed as failed. A new checkpoint sets the count back."""

    hang_minutes: float | None = Field(120.0, gt=0)
    """Minutes without any progress after which the ranks of a trial are ended and restarted as if they had
    died; null waits for ever. Waiting for machines does not count."""

    elastic: ElasticConfig | None = None
    """Train with fewer ranks, on the same global batches, if the cluster has shrunk; null waits for all."""

    checkpoint_epochs: int | None = Field(1, ge=1)
    """Number of epochs between checkpoints of a running trial, except after its last; null writes none."""


WITHOUT_EFFECT = (
    "trials",
    "budget",
    "confirm",
    "max_concurrent",
    "max_failures",
    "stop_after_failures",
    "max_attempts",
    "hang_minutes",
    "elastic",
    "checkpoint_epochs",
)
"""Fields that may differ when a sweep is resumed: they change neither a trial nor the order of the points."""
