"""How a space is searched."""

from typing import Annotated, Any, Literal

from pydantic import Field

from lookahead_ray.config.base import Config


class TpeSampler(Config):
    """Tree-structured Parzen estimator, multivariate and grouped (Optuna)."""

    name: Literal["tpe"] = "tpe"

    startup_trials: int = Field(8, ge=0)
    """Trials sampled at random before the estimator takes over."""


class RandomSampler(Config):
    """Independent random draws (Optuna)."""

    name: Literal["random"]


SamplerConfig = Annotated[TpeSampler | RandomSampler, Field(discriminator="name")]


class SearchConfig(Config):
    """How the space is searched."""

    trials: int = Field(10, ge=1)
    """Trials that the sampler suggests, besides the two references."""

    sampler: SamplerConfig = TpeSampler()

    seed: int = Field(0, ge=0)
    """Seed of the sampler."""

    enqueue: tuple[dict[str, Any], ...] = Field((), strict=False)
    """Points to try first: dimension name -> value; what a point leaves out is sampled."""

    reference: dict[str, Any] = Field(default_factory=dict)
    """Values of dimensions, by name, in the references; by default a range's middle, a choice's first."""

    max_concurrent: int | None = Field(None, ge=1)
    """Most trials at once; null derives it from the cluster's resources."""
