"""Decisions whether a trial continues after an epoch: made in the driver, read in the trial's process."""

import time
from typing import Any

import ray

from lookahead_ray.trial.failure import ProcessDiedError

POLL_S = 0.05
PATIENCE_S = 600.0  # longer than the driver ever retries a write


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Decisions:
    """An actor that holds the driver's decisions, by trial and epoch.

    Ray's memory monitor kills it with the trials, which wait for it after their restart, so it is restarted
    too. It is empty then: the driver decides again on the epochs that restarted trials report again.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], bool] = {}

    def make(self, trial_id: str, epoch: int, goes_on: bool) -> None:
        """Record a decision of the driver; the first one is kept, even if the trial is restarted."""
        self._made.setdefault((trial_id, epoch), goes_on)

    def made(self, trial_id: str, epoch: int) -> bool | None:
        """Return the decision; None until it is made."""
        return self._made.get((trial_id, epoch))


def wait_for(decisions: Any, trial_id: str, epoch: int) -> bool:
    """Poll the actor `decisions` until the driver has decided; return whether the trial continues.

    Raises:
        ProcessDiedError: there is no decision for `PATIENCE_S`: it was lost with the actor's process. The
            restarted trial reports the epoch again.
    """
    until = time.monotonic() + PATIENCE_S
    while (goes_on := ray.get(decisions.made.remote(trial_id, epoch))) is None:
        if time.monotonic() > until:
            raise ProcessDiedError(f"no decision on epoch {epoch} within {PATIENCE_S:g} s")
        time.sleep(POLL_S)
    return bool(goes_on)
