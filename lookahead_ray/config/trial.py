"""One point of a search: everything that decides a trial's result."""

from typing import Self

from pydantic import Field, model_validator

from lookahead_ray.config.base import Config
from lookahead_ray.config.defence import DefenceConfig
from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.method import MethodConfig, VanillaMethod
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.preview import NoPreview, PreviewConfig
from lookahead_ray.config.safety import ProbeSuite, SafetyList
from lookahead_ray.config.task import TaskConfig
from lookahead_ray.config.training import TrainingConfig


class TrialConfig(Config):
    """A resolved trial: no search dimension is left in it."""

    model: ModelConfig = ModelConfig()
    task: TaskConfig
    safety: SafetyList = (ProbeSuite(),)
    preview: PreviewConfig = NoPreview()
    method: MethodConfig = VanillaMethod()
    defence: DefenceConfig = DefenceConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    seed: int = Field(0, ge=0)
    """Seed of the order of examples and of adapter initialisation."""

    workers: int = Field(1, ge=1)
    """Ranks of the DeepSpeed group."""

    cpus_per_worker: float = Field(1.0, gt=0)
    """CPU cores that each rank reserves; whole cores become its threads."""

    gpus_per_worker: float = Field(0.0, ge=0)
    """GPUs that each rank reserves; 0 trains on the CPU."""

    @model_validator(mode="after")
    def _batch_covers_workers(self) -> Self:
        if self.training.batch_size < self.workers:
            raise ValueError(
                f"training.batch_size must be at least workers ({self.workers}), "
                f"got {self.training.batch_size}"
            )
        return self
