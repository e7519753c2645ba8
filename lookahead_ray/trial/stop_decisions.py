"""Whether a trial goes on after an epoch: decided in the driver, asked for in the trial's process."""

import time
from typing import Any

import ray

POLL_S = 0.05


@ray.remote(num_cpus=0)
class Decisions:
    """Holds what the driver decided, by trial and epoch."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], bool] = {}

    def make(self, trial_id: str, epoch: int, goes_on: bool) -> None:
        """The driver's side; the first decision stands, also for a trial that started again."""
        self._made.setdefault((trial_id, epoch), goes_on)

    def made(self, trial_id: str, epoch: int) -> bool | None:
        """None until it is decided."""
        return self._made.get((trial_id, epoch))


def wait_for(decisions: Any, trial_id: str, epoch: int) -> bool:
    """Ask the actor `decisions` until the driver has decided."""
    while (goes_on := ray.get(decisions.made.remote(trial_id, epoch))) is None:
        time.sleep(POLL_S)
    return bool(goes_on)
