"""The number of ranks of a trial, and a machine for the process that leads them."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lookahead_ray.config.search import ElasticConfig
from lookahead_ray.config.trial import TrialConfig

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a worker group starts."""

    workers: int  # number of ranks
    node: str | None = None  # id of a machine that holds ranks; None if it is not known
    waited_s: float = 0.0  # for machines


def place_ranks(config: TrialConfig, elastic: ElasticConfig | None, room: Callable[[], int]) -> Placement:
    """Wait for resources and return where a new worker group starts.

    Returns `config.workers` ranks as soon as the cluster can place all of them. With `elastic`, after
    `elastic.after_minutes` it is the number that the living nodes can hold, if that is smaller and at least
    `elastic.min_workers`.

    Args:
        room: returns the number of ranks of `config` that the living nodes can hold, busy or not.
    """
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    workers = config.resources.workers
    # Request the workers' resources, so that an autoscaler sees the demand; they are released afterwards.
    group = placement_group([_each(config)] * workers, strategy="PACK")
    began_s = time.monotonic()
    until_s = began_s + 60 * elastic.after_minutes if elastic else float("inf")
    try:
        while not ray.wait([group.ready()], timeout=POLL_S)[0]:
            if elastic and time.monotonic() > until_s and elastic.min_workers <= (count := room()) < workers:
                return Placement(count, waited_s=time.monotonic() - began_s)
        return Placement(workers, _node_of(group), time.monotonic() - began_s)
    finally:
        remove_placement_group(group)


def rank_capacity(config: TrialConfig, nodes: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of ranks of `config` that fit on the living nodes of `ray.nodes()`."""
    return sum(
        min(int(node["Resources"].get(name, 0) // amount) for name, amount in _each(config).items())
        for node in nodes
        if node["Alive"]
    )


def _node_of(group: Any) -> str | None:
    """Return the id of the machine that holds the first bundle of a placement group that is ready."""
    from ray.util import placement_group_table

    nodes = placement_group_table(group).get("bundles_to_node_id", {})
    return nodes.get(0) or None


def _each(config: TrialConfig) -> dict[str, float]:
    _, cpus, gpus = config.resources
    amounts = {"CPU": cpus, "GPU": gpus}
    return {name: amount for name, amount in amounts.items() if amount}
