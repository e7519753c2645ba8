"""The Ray cluster of a sweep: its connection, its maximum size, and how many trials fit on it at once."""

import locale
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lookahead_ray import log_capture
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.choice import Capacity
from lookahead_ray.hardware.cpu import usable_cores
from lookahead_ray.hardware.proxies import exempt_loopback
from lookahead_ray.hardware.temporary import ray_folder
from lookahead_ray.hardware.user import give_ray_a_token, prepare_user
from lookahead_ray.sweep.interrupt import keeping_sigterm

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # results are in the store
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C reaches the driver as KeyboardInterrupt
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # results are in the tables; Tune's own snapshots are never read
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths in a configuration begin at the driver's folder
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TOKENIZERS_PARALLELISM": "false",
}

HEAD_RESOURCE = "node:__internal_head__"
"""Resource that Ray gives to the head node alone."""
HEAD_BYTES_PER_TRIAL = 150_000_000
"""Private memory that a running trial costs the head at most (`python -m benchmarks.head_memory`)."""
HEAD_BYTES = 3_000_000_000
"""Memory of the head for the driver and Ray's own services."""

HEADS_FILE = Path("~/ray_bootstrap_config.yaml")
"""The cluster's description, which `ray up` writes on the head node, where a submitted sweep runs."""


@contextmanager
def cluster(log: Path) -> Iterator[None]:
    """Connect to the cluster at `$RAY_ADDRESS`, or start Ray on this machine for the duration.

    A cluster is joined only if that variable names it: the address in Ray's temporary directory can belong to
    another user or to a cluster that no longer exists.

    Raises:
        ConfigError: there is no folder for Ray's temporary files.

    Messages of Ray and the libraries go to `log`, which also names the folder of the workers' output.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    if not is_utf8(locale.getencoding()):
        os.environ["PYTHONUTF8"] = "1"  # for the workers: libraries open files in the locale's encoding
    exempt_loopback()
    prepare_user()
    import ray

    with log_capture.into(log):
        address = cluster_address()
        if address is None:
            give_ray_a_token()
        with keeping_sigterm():
            context = ray.init(
                address=address or "local",
                num_cpus=None if address else usable_cores(),
                include_dashboard=None if address else False,
                _temp_dir=None if address else ray_folder(),
                log_to_driver=False,
                configure_logging=False,
            )
        session = getattr(context, "address_info", {}).get("session_dir", "")
        logging.getLogger(__name__).info("worker output is in %s", Path(session, "logs"))
        try:
            yield
        finally:
            ray.shutdown()


def is_utf8(encoding: str) -> bool:
    """Return whether an encoding's name is one of UTF-8's."""
    return encoding.lower().replace("-", "").replace("_", "") == "utf8"


def cluster_address() -> str | None:
    """Return the address of the cluster to join; None if trials run on this machine."""
    return os.environ.get("RAY_ADDRESS") or None


def cluster_capacity() -> Capacity:
    """Return the resources of the connected cluster for a trial, at its maximum size."""
    import ray

    now = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray lacks its annotation
    described = description() if cluster_address() else {}
    total = max_cluster_resources(now, described)
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    machines = [*alive, *worker_types(described)]
    where = "the cluster" if cluster_address() else "this machine"
    return Capacity.of_machines(where, total, machines)


def concurrency(config: TrialConfig, limit: int | None) -> int:
    """Return how many trials fit on the connected cluster at its maximum size, at most `limit`.

    On a cluster, the head's memory bounds them too: it holds one process of each running trial.

    Raises:
        ConfigError: not even one trial fits.
    """
    import ray

    capacity = cluster_capacity()
    workers, cpus, gpus = config.resources
    wanted = {"CPU": (workers * cpus, capacity.cpus), "GPU": (workers * gpus, capacity.gpus)}
    fits = min(int(has // amount) for amount, has in wanted.values() if amount)
    if fits < 1:
        needs = ", ".join(f"{amount:g} {name}" for name, (amount, _) in wanted.items() if amount)
        has = ", ".join(f"{has:g} {name}" for name, (amount, has) in wanted.items() if amount)
        raise ConfigError(f"workers: one trial needs {needs}; the cluster has {has}")
    if cluster_address():
        nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray lacks its annotation
        on_head = trials_on_head(nodes)
        if on_head is not None and on_head < min(fits, limit or fits):
            logging.getLogger(__name__).warning(
                "%d of %d possible trials at a time, as the head's memory holds no more", on_head, fits
            )
            fits = on_head
    return min(fits, limit or fits)


def trials_on_head(nodes: Iterable[Mapping[str, Any]]) -> int | None:
    """Return how many trials at a time the head's memory holds, at least one; None if its memory is unknown.

    Args:
        nodes: as of `ray.nodes()`.
    """
    for node in nodes:
        memory = node["Resources"].get("memory")
        if node["Alive"] and HEAD_RESOURCE in node["Resources"] and memory:
            return max(1, int((memory - HEAD_BYTES) // HEAD_BYTES_PER_TRIAL))
    return None


def description(path: Path = HEADS_FILE) -> Mapping[str, Any]:
    """Return the description of the cluster whose head node this machine is; empty on other machines."""
    try:
        found = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def max_cluster_resources(now: Mapping[str, float], described: Mapping[str, Any]) -> dict[str, float]:
    """Return the maximum of each resource: the amount `now`, or that of all `described` workers.

    Workers without described resources, such as on-premise machines, count only if they are there now.
    """
    most_workers = described.get("max_workers", 0)
    workers: dict[str, float] = {}
    for node_type in _worker_types(described):
        count = min(node_type.get("max_workers", most_workers), most_workers)
        for resource, amount in node_type.get("resources", {}).items():
            workers[resource] = workers.get(resource, 0) + amount * count
    return {name: max(now.get(name, 0), workers.get(name, 0)) for name in {*now, *workers}}


def worker_types(described: Mapping[str, Any]) -> list[Mapping[str, float]]:
    """Return the resources of one machine of each worker type."""
    return [node_type.get("resources", {}) for node_type in _worker_types(described)]


def _worker_types(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name, node_type in described.get("available_node_types", {}).items():
        if name != described.get("head_node_type"):
            yield node_type
