"""A Ray cluster of this machine only, with its own directory and ports, ended with all its processes."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from uuid import uuid4

import psutil

MARK = "LOOKAHEAD_RAY_TEST_MARK"


class Cluster:
    """`ray start --head --block` as a process; a variable marks all processes that it starts."""

    def __init__(self) -> None:
        self.mark = uuid4().hex
        self.folder = Path(tempfile.mkdtemp(prefix="lr"))  # short: the length of socket paths is limited
        ports = _free_ports(6)
        names = (
            "--port",
            "--dashboard-port",
            "--dashboard-agent-listen-port",
            "--dashboard-agent-grpc-port",
            "--ray-client-server-port",
            "--metrics-export-port",
        )
        self.address = f"http://127.0.0.1:{ports[1]}"
        self._output = (self.folder / "ray.txt").open("w")
        self.process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ray")),
                *("start", "--head", "--block", "--dashboard-host=127.0.0.1", "--node-ip-address=127.0.0.1"),
                *("--num-cpus=2", "--object-store-memory=100000000", f"--temp-dir={self.folder / 'ray'}"),
                *("--disable-usage-stats",),
                *(f"{name}={port}" for name, port in zip(names, ports, strict=True)),
            ],
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**_environment(), MARK: self.mark, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"},
            start_new_session=True,
        )

    def wait_until_up(self, timeout_s: float = 120) -> None:
        """Start the cluster; AssertionError with Ray's output if its job server does not answer in time."""
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "ray.txt").read_text()
            assert time.monotonic() < deadline, (self.folder / "ray.txt").read_text()
            time.sleep(0.5)

    def close(self) -> None:
        """Kill the processes that it started, and no others."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark:
                    process.kill()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self._output.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/api/jobs/", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]
    finally:
        for found in sockets:
            found.close()
