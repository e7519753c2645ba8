"""Decisions whether a trial continues after an epoch: made in the driver, read in the trial's process."""

import time
from typing import Any

import ray

from lookahead_ray.trial.failure import ProcessDiedError

POLL_S = 0.05
REPEAT_S = 5.0
PATIENCE_S = 600.0  # longer than the driver ever retries a write


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Decisions:
    """An actor that holds the driver's decisions, by trial and epoch.

    It is restarted if its process dies, for example by Ray's memory monitor. It is empty then, until the
    driver's `DecisionSender` repeats the decisions that trials may wait for.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], bool] = {}

    def make(self, trial_id: str, epoch: int, goes_on: bool) -> None:
        """Record a decision of the driver; the first one is kept, even if the trial is restarted."""
        self._made.setdefault((trial_id, epoch), goes_on)

    def made(self, trial_id: str, epoch: int) -> bool | None:
        """Return the decision; None until it is made."""
        return self._made.get((trial_id, epoch))


class DecisionSender:
    """The driver's side of the actor `decisions`: it sends each decision, and again in case it was lost.

    A call succeeds if the actor dies just behind it, so the driver can't see that a decision was lost.
    """

    def __init__(self, decisions: Any) -> None:
        self._decisions = decisions
        self._last: dict[str, tuple[int, bool]] = {}  # epoch and decision, by trial id
        self._sent_at = time.monotonic()

    def send(self, trial_id: str, epoch: int, goes_on: bool) -> None:
        """Send the decision on an epoch of a running trial."""
        self._last[trial_id] = epoch, goes_on
        self._decisions.make.remote(trial_id, epoch, goes_on)

    def repeat(self) -> None:
        """Send the last decision on each running trial again, at most every `REPEAT_S` seconds."""
        if time.monotonic() < self._sent_at + REPEAT_S:
            return
        self._sent_at = time.monotonic()
        for trial_id, (epoch, goes_on) in self._last.items():
            self._decisions.make.remote(trial_id, epoch, goes_on)

    def ended(self, trial_id: str) -> None:
        """Forget a trial that has ended."""
        self._last.pop(trial_id, None)


def wait_for(decisions: Any, trial_id: str, epoch: int) -> bool:
    """Poll the actor `decisions` until the driver has decided; return whether the trial continues.

    Raises:
        ProcessDiedError: there is no decision for `PATIENCE_S`, so the report of the epoch was lost. The
            restarted trial reports it again.
    """
    until = time.monotonic() + PATIENCE_S
    while (goes_on := ray.get(decisions.made.remote(trial_id, epoch))) is None:
        if time.monotonic() > until:
            raise ProcessDiedError(f"no decision on epoch {epoch} within {PATIENCE_S:g} s")
        time.sleep(POLL_S)
    return bool(goes_on)
