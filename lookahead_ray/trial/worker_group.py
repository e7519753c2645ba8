"""A Ray Train worker group that outlives a trial: its ranks run one job after another.

Starting processes, importing torch and DeepSpeed and forming the process group take far longer than a short
trial, so they are done once. A group with a failed rank is not reused.

This module does not import torch: a running trial's process is on the head, whose memory bounds the number of
trials.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.trial.failure import ProcessDiedError, failure
from lookahead_ray.trial.group_host import GROUP, MEASUREMENT, PROGRESS, SIGNAL, GroupHost
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.progress import Decide
from lookahead_ray.trial.scaling_policy import Placement

__all__ = ["GROUP", "MEASUREMENT", "PROGRESS", "SIGNAL", "WAITED_S", "HangWatch", "WorkerGroup", "release"]

WAITED_S = "waited_s"
"""Key in a new group's first progress: the seconds for which it waited for machines."""

POLL_S = 1.0
STOP_S = 30.0


class WorkerGroup:
    """Ranks that run jobs of one `shape` (`TrialConfig.resources`), one at a time."""

    def __init__(self, config: TrialConfig, placement: Placement | None = None) -> None:
        """Start the ranks; `placement` overrides the configuration's number of ranks."""
        self.shape = config.resources
        strategy: Any = "DEFAULT"
        if placement:
            self.shape = self.shape._replace(workers=placement.workers)
            if placement.node:
                # not `soft`: Ray then prefers the head for a moment, as it knows a new machine's room late
                strategy = NodeAffinitySchedulingStrategy(placement.node, soft=False)
        self._waited_s = placement.waited_s if placement else 0.0
        actor: Any = ray.remote(num_cpus=0)(GroupHost).options(scheduling_strategy=strategy)
        self._host: Any = actor.remote(self.shape)
        self._holds = ""  # placement group of the ranks, as hexadecimal digits
        self._busy = False

    @property
    def alive(self) -> bool:
        """Return whether the ranks still accept jobs."""
        try:
            return bool(ray.get(self._host.is_alive.remote()))
        except RayError:
            return False

    def run(
        self,
        job: Job,
        report: Callable[[dict[str, Any]], None],
        decide: Decide = lambda signal: True,
    ) -> Measurement:
        """Run `job` to its end and return rank 0's measurement; `report` is called with the progress.

        If the job `may_stop`, `decide` gets the signal of each epoch and returns whether to continue.

        Raises:
            ProcessDiedError: a rank or the group's host died, or no rank reported anything for
                `job.hang_minutes`. The group has ended.
            TrialError: a rank failed; the message says which and why. The group has ended.
        """
        self._busy = True
        watch = HangWatch(job.hang_minutes)
        try:
            ray.get(self._host.add_job.remote(job))
            while True:
                received = ray.get(self._host.next_report.remote(POLL_S))
                if isinstance(received, TrialError):
                    # Ray Train releases the resources, unless its controller was killed too.
                    release(self._holds)
                    raise received
                if received is None:
                    if hang := watch.hang():
                        self.stop()
                        raise ProcessDiedError(hang)
                    continue
                watch.reported()
                if MEASUREMENT in received:
                    self._busy = False
                    measured: Measurement = received[MEASUREMENT]
                    return measured
                if SIGNAL in received:
                    ray.get(self._host.decide.remote(decide(received[SIGNAL])))
                    continue
                self._holds = received[GROUP]
                report({**received, WAITED_S: self._waited_s})
                self._waited_s = 0.0
        except RayError as error:
            release(self._holds)
            raise failure(error) from error

    def stop(self) -> None:
        """End the ranks and release their resources; at once if a job is running."""
        if self._busy:
            release(self._holds)
        else:
            with suppress(RayError, GetTimeoutError):
                ray.get(self._host.add_job.remote(None))
                ray.get(self._host.wait_until_ended.remote(STOP_S), timeout=STOP_S + POLL_S)
        ray.kill(self._host)

    def end(self) -> None:
        """Stop, and release what starting ranks hold that have not reported it yet.

        For a process that has only this group.
        """
        self.stop()
        for group in held_groups():
            release(group)


class HangWatch:
    """Detects ranks that hang: that report nothing for so many minutes, once they have reported something."""

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._minutes, self._clock = minutes, clock
        self._reported_s: float | None = None

    def reported(self) -> None:
        """Note that a rank reported."""
        self._reported_s = self._clock()

    def hang(self) -> str | None:
        """Return in one line that the ranks hang; None while they don't."""
        if self._minutes is None or self._reported_s is None:
            return None
        if self._clock() - self._reported_s < 60 * self._minutes:
            return None
        return f"no progress for {self._minutes:g} minutes (search.hang_minutes), so its ranks were ended"


def release(group: str) -> None:
    """Release the placement group of dead ranks; does nothing if it is already released or `group` is empty.

    Needed when the process that requested the group died: Ray Train's placement-group cleaner queries the
    dashboard, which is disabled here, so the next trial would wait for the cores for ever.
    """
    if group:
        remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(group))))


def held_groups() -> set[str]:
    """Return all placement groups that this driver's workers hold, as hexadecimal digits."""
    from ray.util import placement_group_table

    job = ray.get_runtime_context().get_job_id()  # ids of its groups end with it
    return {
        group
        for group, about in placement_group_table().items()
        if group.endswith(job)
        and about["state"] != "REMOVED"
        and any("CPU" in bundle for bundle in about["bundles"].values())
    }
