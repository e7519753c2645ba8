"""Configuration of a trial, one point of a search: everything that determines its result."""

from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from lookahead_ray.config.base import Auto, Config
from lookahead_ray.config.defence import DefenceConfig
from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.merge import LinearMerge, MergeConfig, is_no_merge, with_share
from lookahead_ray.config.method import MethodConfig, VanillaMethod
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.preview import NoPreview, PreviewConfig
from lookahead_ray.config.safety import ProbeSuite, SafetyList
from lookahead_ray.config.task import TaskConfig
from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.errors import ConfigError


class Resources(NamedTuple):
    """Resources that the ranks of one trial reserve."""

    workers: int
    cpus_per_worker: float
    gpus_per_worker: float

    def __str__(self) -> str:
        ranks = "1 rank" if self.workers == 1 else f"{self.workers} ranks"
        if self.gpus_per_worker:
            gpus = "GPU" if self.gpus_per_worker == 1 else "GPUs"
            return f"{ranks} × {self.gpus_per_worker:g} {gpus}"
        cores = "CPU core" if self.cpus_per_worker == 1 else "CPU cores"
        return f"{ranks} × {self.cpus_per_worker:g} {cores}"


RESOURCE_FIELDS = ("workers", "cpus_per_worker", "gpus_per_worker")
"""Fields of a trial's configuration that say what it runs on."""


class TrialConfig(Config):
    """Configuration of a trial, without search dimensions."""

    model: ModelConfig = ModelConfig()
    task: TaskConfig
    safety: SafetyList = (ProbeSuite(),)
    preview: PreviewConfig = NoPreview()
    method: MethodConfig = VanillaMethod()
    defence: DefenceConfig = DefenceConfig()
    merge: MergeConfig = Field(LinearMerge(share=1.0), exclude_if=is_no_merge)
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    seed: int = Field(0, ge=0)
    """Random seed for the order of examples and the initialisation of adapters."""

    workers: Annotated[int, Field(ge=1)] | Auto = "auto"
    """Number of ranks of the DeepSpeed group. `auto` uses one per micro-batch of a global batch, at most as
    many as one machine has GPUs, or CPU cores if it has no GPU."""

    cpus_per_worker: Annotated[float, Field(gt=0)] | Auto = "auto"
    """Number of CPU cores that each rank reserves; it runs one thread per whole core. `auto` uses 1, or on
    one machine without GPUs an equal share of its cores where its memory or `search.max_concurrent` would
    leave some idle."""

    gpus_per_worker: Annotated[float, Field(ge=0)] | Auto = "auto"
    """Number of GPUs that each rank reserves; 0 trains on CPU cores. `auto` uses 1 if there are GPUs."""

    @model_validator(mode="after")
    def _batch_covers_workers(self) -> Self:
        if self.workers != "auto" and self.training.batch_size < self.workers:
            raise ValueError(
                f"training.batch_size must be at least workers ({self.workers}), "
                f"got {self.training.batch_size}"
            )
        return self

    @property
    def points(self) -> "tuple[TrialConfig, ...]":
        """Return the configuration for each share of the merge, in the order in which they are measured.

        Shares that are chosen while they are measured are not among them: only the first one is.
        """
        if len(self.merge.shares) == 1:
            return (self,)
        shares = self.merge.shares[:1] if self.merge.share == "auto" else self.merge.shares
        return tuple(map(self.at_share, shares))

    def at_share(self, share: float) -> "TrialConfig":
        """Return the configuration with this share of the merge."""
        return TrialConfig.model_validate(with_share(self.model_dump(mode="json"), share))

    @property
    def resources(self) -> Resources:
        """Return the resources that the ranks reserve.

        Raises:
            ConfigError: one of them is still `auto`.
        """
        for field in RESOURCE_FIELDS:
            if getattr(self, field) == "auto":
                raise ConfigError(f"{field}: auto must be resolved before a trial runs")
        return Resources(int(self.workers), float(self.cpus_per_worker), float(self.gpus_per_worker))
