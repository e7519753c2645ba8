"""What a trial is asked to do, as a value."""

from dataclasses import dataclass
from typing import Any

from lookahead_ray.trial.record import Role


@dataclass(frozen=True, slots=True)
class Job:
    """What a trial is asked to do; the search makes it, the worker group runs it."""

    trial_id: str
    role: Role
    config: dict[str, Any]  # the resolved TrialConfig as JSON values
    params: dict[str, Any]  # sampled dimensions: name -> value
    label: str

    @property
    def trains(self) -> bool:
        """The seed model is measured as it is."""
        return self.role != "seed"
