"""An on-premise cluster on hosts of this machine: `ray up` of the shipped file with its blanks filled in.

Differences from the file: addresses and key; one core per worker, because all hosts see the same cores; small
object stores. The pinned environment is this process's, so `clusters/setup.sh` has nothing to install.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.cluster.files import ROOT, load
from tests.cluster.hosts import Host, Network

SHIPPED = ROOT / "clusters" / "on_premise.yaml"
STORE = "--object-store-memory=80000000"
HEALTH = {"period_ms": 1000, "timeout_ms": 1000, "failure_threshold": 3}
"""`RAY_health_check_*`: a host is considered lost after about 4 s of silence; by default, over a minute."""
PROFILE = """
export PATH="$HOME/bin:$PATH" PYTHONPATH="$HOME/lookahead-ray"
export RAY_memory_monitor_refresh_ms=0  # it would kill ranks for the memory that others use on this machine
"""


def until(true: Callable[[], Any], what: str, timeout_s: float, every_s: float = 0.2) -> float:
    """Wait until it is true; return the seconds. AssertionError with `what` if it takes too long."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < timeout_s, f"after {timeout_s:g} s: {what}"
        time.sleep(every_s)
    return time.monotonic() - start


class Cluster:
    """A head and workers. `spare` is described, but off until it is booted."""

    def __init__(self) -> None:
        self.network = Network()
        try:
            self.launcher = self.network.launcher
            self.head = self.network.add("head", 11)
            self.workers = [self.network.add(f"worker-{index}", 20 + index) for index in (1, 2)]
            self.spare = self.network.add("spare", 23)
            self.shared = self.network.folder / "shared"  # mounted by all hosts
            self.shared.mkdir()
            self.file = self.network.folder / "on_premise.yaml"
            self.file.write_text(yaml.safe_dump(self.described()))
            for host in self.network.hosts:
                prepare(host)
            token = self.launcher.home / ".ray" / "auth_token"
            token.parent.mkdir()
            token.touch(0o600)
            token.write_text(secrets.token_hex(32))
            self.network.boot(*(host for host in self.network.hosts if host is not self.spare))
        except BaseException:
            self.network.close()
            raise

    def described(self) -> dict[str, Any]:
        """Return the shipped file with its blanks filled in."""
        config = load(SHIPPED)
        config["provider"]["head_ip"] = self.head.address
        config["provider"]["worker_ips"] = [host.address for host in (*self.workers, self.spare)]
        config["auth"] = {"ssh_user": "root", "ssh_private_key": str(self.network.folder / "key")}
        for kind, options in (("head", STORE), ("worker", f"{STORE} --num-cpus=1")):
            config[f"{kind}_start_ray_commands"][-1] += f" {options}"
        return config

    def ray(self, *words: str, on: Host | None = None, timeout_s: float = 300) -> str:
        """Return the output of a command of Ray, by default on the launcher. AssertionError if it fails."""
        host = on or self.launcher
        done = subprocess.run(
            host.inside(str(Path(sys.executable).with_name("ray")), *words, **self.environment(host)),
            capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def environment(self, host: Host) -> dict[str, str]:
        """Return the environment of a user on this host."""
        scripts = str(Path(sys.executable).parent)
        return {
            "PATH": f"{scripts}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_UP_enable_autoscaler_v2": "0",
        }

    def up(self) -> float:
        """Run `ray up` and wait for the workers; return the seconds."""
        start = time.monotonic()
        self.ray("up", str(self.file), "--yes", "--no-config-cache")
        self.wait_for_workers(len(self.workers))
        return time.monotonic() - start

    def down(self) -> float:
        """Run `ray down` and wait until no host runs Ray; return the seconds."""
        start = time.monotonic()
        self.ray("down", str(self.file), "--yes")
        until(lambda: not self.raylets(), "Ray still runs on a host", 120)
        return time.monotonic() - start

    def raylets(self) -> list[psutil.Process]:
        """Return Ray's processes on all hosts."""
        names = ("raylet", "gcs_server", "ray::")
        found = [process for host in self.network.hosts for process in host.processes()]
        return [process for process in found if process.is_running() and process.name().startswith(names)]

    def alive(self) -> dict[str, str]:
        """Return address -> host name of the nodes that the control service considers alive, the head
        included.
        """
        words = ("list", "nodes", "--format=json", "--filter=state=ALIVE", "--limit=100")
        told = self.ray(*words, on=self.head, timeout_s=60)
        return {node["node_ip"]: node["node_name"] for node in json.loads(told)}

    def drain(self, host: Host, seconds: int) -> None:
        """Announce that a node will end in so many seconds, as a cloud does for a spot machine."""
        words = ("list", "nodes", "--format=json", "--filter=state=ALIVE", f"--filter=node_ip={host.address}")
        (node,) = json.loads(self.ray(*words, on=self.head, timeout_s=60))
        reason = ("--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=spot warning")
        self.ray(
            "drain-node", f"--node-id={node['node_id']}", *reason, f"--deadline-remaining-seconds={seconds}",
            on=self.head, timeout_s=60,
        )  # fmt: skip

    def wait_for_workers(self, count: int, timeout_s: float = 240) -> float:
        """Wait until so many nodes are alive; return the seconds."""
        what = f"{count} workers and a head are not alive"
        return until(lambda: len(self.alive()) == count + 1, what, timeout_s, 1.0)

    def close(self) -> None:
        """End all hosts and remove everything."""
        self.network.close()


def prepare(host: Host) -> None:
    """Prepare its home as a machine on which `clusters/setup.sh` has run."""
    health = "".join(f"export RAY_health_check_{name}={value}\n" for name, value in HEALTH.items())
    (host.home / ".bashrc").write_text(PROFILE + health)
    environment = host.home / "lookahead-ray" / ".venv"
    environment.mkdir(parents=True)
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix, name).resolve())
    pins = [(ROOT / name).read_text(encoding="utf-8") for name in ("constraints.txt", "pyproject.toml")]
    (environment / ".installed").write_text("".join(pins), encoding="utf-8")
    (host.home / "bin").mkdir()
    stub = host.home / "bin" / "python3.11"  # must exist but never run: it would change this environment
    stub.write_text("#!/bin/sh\nexit 1\n")
    stub.chmod(0o755)
    compiled = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "torch_extensions")
    if compiled.is_dir():  # DeepSpeed's operator, which takes a minute to compile
        shutil.copytree(compiled, host.home / ".cache" / "torch_extensions")
