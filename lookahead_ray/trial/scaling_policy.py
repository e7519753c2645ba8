"""How many ranks a trial gets along with where the cluster has shrunk."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lookahead_ray.config.search import ElasticConfig
from lookahead_ray.config.trial import TrialConfig

POLL_S = 1.0


def ranks(config: TrialConfig, elastic: ElasticConfig, room: Callable[[], int]) -> int:
    """Those that a new group of workers is to have; waits until there are as many as may be.

    All of `config.workers` as soon as the cluster has room for them at once; after `elastic.after_minutes` as
    many as its living nodes hold, if these are fewer and no fewer than `elastic.min_workers`.

    Args:
        room: how many ranks of `config` the living nodes hold, whoever uses them now.
    """
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    workers = config.resources.workers
    # It asks for room as the workers will, so that an autoscaler knows of it; what it gets it gives back.
    asked = placement_group([_each(config)] * workers, strategy="PACK")
    until = time.monotonic() + 60 * elastic.after_minutes
    try:
        while not ray.wait([asked.ready()], timeout=POLL_S)[0]:
            if time.monotonic() > until and elastic.min_workers <= (count := room()) < workers:
                return count
        return workers
    finally:
        remove_placement_group(asked)


def rank_capacity(config: TrialConfig, nodes: Iterable[Mapping[str, Any]]) -> int:
    """How many ranks of `config` fit on the living ones of `ray.nodes()`."""
    return sum(
        min(int(node["Resources"].get(name, 0) // amount) for name, amount in _each(config).items())
        for node in nodes
        if node["Alive"]
    )


def _each(config: TrialConfig) -> dict[str, float]:
    _, cpus, gpus = config.resources
    amounts = {"CPU": cpus, "GPU": gpus}
    return {name: amount for name, amount in amounts.items() if amount}
