"""The number of ranks of an elastic trial when the cluster has shrunk."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lookahead_ray.config.search import ElasticConfig
from lookahead_ray.config.trial import TrialConfig

POLL_S = 1.0


def ranks(config: TrialConfig, elastic: ElasticConfig, room: Callable[[], int]) -> int:
    """Wait for resources and return the number of ranks for a new worker group.

    Returns `config.workers` as soon as the cluster can place all of them; after `elastic.after_minutes` the
    number that its living nodes can hold, if it is smaller and at least `elastic.min_workers`.

    Args:
        room: returns the number of ranks of `config` that the living nodes can hold, busy or not.
    """
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    workers = config.resources.workers
    # Request the workers' resources, so that an autoscaler sees the demand; they are released afterwards.
    group = placement_group([_each(config)] * workers, strategy="PACK")
    until = time.monotonic() + 60 * elastic.after_minutes
    try:
        while not ray.wait([group.ready()], timeout=POLL_S)[0]:
            if time.monotonic() > until and elastic.min_workers <= (count := room()) < workers:
                return count
        return workers
    finally:
        remove_placement_group(group)


def rank_capacity(config: TrialConfig, nodes: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of ranks of `config` that fit on the living nodes of `ray.nodes()`."""
    return sum(
        min(int(node["Resources"].get(name, 0) // amount) for name, amount in _each(config).items())
        for node in nodes
        if node["Alive"]
    )


def _each(config: TrialConfig) -> dict[str, float]:
    _, cpus, gpus = config.resources
    amounts = {"CPU": cpus, "GPU": gpus}
    return {name: amount for name, amount in amounts.items() if amount}
