"""Decisions whether a trial continues after an epoch: made in the driver, read in the trial's process."""

import time
from typing import Any

import ray

POLL_S = 0.05


@ray.remote(num_cpus=0)
class Decisions:
    """An actor that holds the driver's decisions, by trial and epoch."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], bool] = {}

    def make(self, trial_id: str, epoch: int, goes_on: bool) -> None:
        """Record a decision of the driver; the first one is kept, even if the trial is restarted."""
        self._made.setdefault((trial_id, epoch), goes_on)

    def made(self, trial_id: str, epoch: int) -> bool | None:
        """Return the decision; None until it is made."""
        return self._made.get((trial_id, epoch))


def wait_for(decisions: Any, trial_id: str, epoch: int) -> bool:
    """Poll the actor `decisions` until the driver has decided; return whether the trial continues."""
    while (goes_on := ray.get(decisions.made.remote(trial_id, epoch))) is None:
        time.sleep(POLL_S)
    return bool(goes_on)
