"""Values that replace `auto` in a trial's configuration."""

from dataclasses import dataclass
from typing import Literal

from lookahead_ray.config.trial import TrialConfig


@dataclass(frozen=True, slots=True)
class HardwareValues:
    """Values for the fields that may be `auto`; they are the same for all trials of a sweep."""

    precision: Literal["bf16", "fp32"]
    workers: int
    gpus_per_worker: float
    cpus_per_worker: float = 1.0
    trials_at_once: int | None = None  # number that the machines' memory holds; None if unknown or on GPUs

    def fill(self, config: TrialConfig) -> TrialConfig:
        """Return `config` with each `auto` replaced; other values are kept.

        The number of ranks is at most the number of examples in a global batch.
        """
        changes: dict[str, object] = {}
        if config.training.precision == "auto":
            changes["training"] = config.training.model_copy(update={"precision": self.precision})
        if config.workers == "auto":
            changes["workers"] = min(self.workers, config.training.batch_size)
        if config.cpus_per_worker == "auto":
            changes["cpus_per_worker"] = self.cpus_per_worker
        if config.gpus_per_worker == "auto":
            changes["gpus_per_worker"] = self.gpus_per_worker
        return config.model_copy(update=changes)
