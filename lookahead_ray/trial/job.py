"""What a trial is asked to do, as a value."""

from dataclasses import dataclass
from typing import Any

from lookahead_ray.config.search import ElasticConfig
from lookahead_ray.trial.record import Role


@dataclass(frozen=True, slots=True)
class Saving:
    """Where rank 0 writes the trained model, and what of it."""

    directory: str  # is there already, on a disk that rank 0 and the driver share
    adapter: bool  # the LoRA adapter alone, not merged into the weights


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where a running trial's checkpoints go, and how often one is written."""

    place: str  # the trial's own: a directory that all machines share, or a URL
    every_epochs: int
    elastic: bool = False  # fewer ranks can go on from them, under ZeRO 1 and 2


@dataclass(frozen=True, slots=True)
class Job:
    """What a trial is asked to do; the search makes it, the worker group runs it."""

    trial_id: str
    role: Role
    config: dict[str, Any]  # the resolved TrialConfig as JSON values
    params: dict[str, Any]  # sampled dimensions: name -> value
    label: str
    saving: Saving | None = None  # None: the trained weights are not kept
    checkpoints: Checkpoints | None = None  # None: a trial that is started again begins at its start
    elastic: ElasticConfig | None = None  # None: it waits for all its ranks
    may_stop: bool = False  # whether it waits after each epoch for the driver to decide

    @property
    def trains(self) -> bool:
        """Whether the model is trained; the seed model and a model to evaluate are measured as they are."""
        return self.role not in ("seed", "evaluate")
