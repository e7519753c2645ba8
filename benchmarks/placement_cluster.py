"""A cluster of Ray's fake nodes: raylets on this machine that claim GPUs, started and stopped on demand."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import yaml
from ray.util import get_node_ip_address

from benchmarks.common import BenchmarkError

HEAD_ID = "f" * 51 + "00000"
HEAD = "ray.head.default"  # the only name that the provider knows
GPUS = 8  # per node
CPUS = 2  # few, because Ray starts one process for each on a new node
START_TIMEOUT_S = 120


def cluster_description(nodes: int, idle_minutes: float) -> dict[str, Any]:
    """Return the description of a cluster of 0 to `nodes` workers, in the format of `cluster.yaml`."""
    store = {"object_store_memory": 80_000_000}
    worker = {"resources": {"CPU": CPUS, "GPU": GPUS, **store}, "node_config": {}, "min_workers": 0}
    empty = (
        "head_setup_commands", "worker_setup_commands", "setup_commands", "initialization_commands",
        "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files",
        "rsync_exclude", "rsync_filter",
    )  # fmt: skip
    return {
        "cluster_name": "fake",
        "max_workers": nodes,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
            "head_node_id": HEAD_ID,
        },
        "available_node_types": {
            HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "a100": worker | {"max_workers": nodes},
        },
        "head_node_type": HEAD,
        "idle_timeout_minutes": idle_minutes,
        "upscaling_speed": 1.0,
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
        **{name: [] for name in empty},
    }


@contextmanager
def running_head(
    home: Path, description: Mapping[str, Any], variables: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Start the cluster's head with `variables` and yield the environment for a driver on it.

    Raises:
        BenchmarkError: the head does not start; with its output.
    """
    file = home / "ray_bootstrap_config.yaml"  # where `ray up` writes it
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"{get_node_ip_address()}:{port}"  # type: ignore[no-untyped-call]
    provider = {**description["provider"], "gcs_address": address}
    file.write_text(yaml.safe_dump({**description, "provider": provider}), encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {
        "HOME": str(home),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",  # for some minutes, with nothing to steal
        "RAY_FAKE_CLUSTER": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
        "RAY_memory_monitor_refresh_ms": "0",
        **variables,
    }
    output = home / "head.txt"
    words = [
        "start", "--head", "--block", "--num-cpus=0", "--num-gpus=0", f"--port={port}",
        "--include-dashboard=false",
        f"--autoscaling-config={file}", "--object-store-memory=100000000",
        f"--temp-dir={home / 'r'}", "--disable-usage-stats",
    ]  # fmt: skip
    with output.open("w") as stream:
        head = psutil.Popen(
            [str(Path(sys.executable).with_name("ray")), *words],
            env=env, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + START_TIMEOUT_S
        while "Ray runtime started" not in output.read_text():
            if head.poll() is not None or time.monotonic() > until:
                raise BenchmarkError(f"the head did not start:\n{output.read_text()}")
            time.sleep(0.2)
        del env["RAY_OVERRIDE_NODE_ID_FOR_TESTING"]  # only the head may have it
        yield env | {"RAY_ADDRESS": address}
    finally:
        _end(head, home)


def _end(head: psutil.Popen, home: Path) -> None:
    """Terminate the head and the nodes that its autoscaler started."""
    mark = str(home)
    ours = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(mark in word for word in process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]
    if head.poll() is None:
        head.terminate()
    _, left = psutil.wait_procs([head, *ours], timeout=20)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    shutil.rmtree(home / "r", ignore_errors=True)
