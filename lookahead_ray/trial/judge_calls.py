"""The quota of paid judges' calls as an actor next to the driver: every rank of every trial asks it."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lookahead_ray.errors import StoreError
from lookahead_ray.evaluate.judges.call_quota import RunQuota


class SharedQuota:
    """A client of the actor; it can be sent to other processes."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def take(self, judge: str, calls: int, limit: int) -> int:
        """Grant calls as `CallQuota.take`."""
        try:
            return int(ray.get(self._actor.take.remote(judge, calls, limit)))
        except ray.exceptions.RayError as error:
            raise StoreError(f"a judge's calls can't be counted: {error}") from error

    def give_back(self, judge: str, calls: int) -> None:
        """Return calls as `CallQuota.give_back`."""
        self._actor.give_back.remote(judge, calls)


def start_quota(run: str) -> SharedQuota:
    """Start the actor on the driver's machine, which can write the files of `run`.

    Raises:
        ray.exceptions.RayError: at the first call, if the run's counts can't be read.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(num_cpus=0)(RunQuota).options(scheduling_strategy=here)
    return SharedQuota(actor.remote(run))
