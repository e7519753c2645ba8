"""What a cluster holds once all the machines it may ask for are there."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

HEADS_FILE = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves the cluster's description: on the head, which is where a submitted sweep runs."""


def description(path: Path = HEADS_FILE) -> Mapping[str, Any]:
    """The description of the cluster whose head this machine is; empty on other machines."""
    try:
        found = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def grown(now: Mapping[str, float], described: Mapping[str, Any]) -> dict[str, float]:
    """Resource -> the most there can be: what is there `now`, or all workers that are `described`.

    Workers whose resources are not described, as those of own machines, count as far as they are there.
    """
    most_workers = described.get("max_workers", 0)
    workers: dict[str, float] = {}
    for node_type in _worker_types(described):
        count = min(node_type.get("max_workers", most_workers), most_workers)
        for resource, amount in node_type.get("resources", {}).items():
            workers[resource] = workers.get(resource, 0) + amount * count
    return {name: max(now.get(name, 0), workers.get(name, 0)) for name in {*now, *workers}}


def worker_types(described: Mapping[str, Any]) -> list[Mapping[str, float]]:
    """Return the resources of one machine of each kind that may be asked for."""
    return [node_type.get("resources", {}) for node_type in _worker_types(described)]


def _worker_types(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name, node_type in described.get("available_node_types", {}).items():
        if name != described.get("head_node_type"):
            yield node_type
