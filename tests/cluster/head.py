"""A head started as the cluster files start it, with its own home, temporary folder and ports."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.cluster.files import ROOT, head_options

RAY = str(Path(sys.executable).parent / "ray")
START_TIMEOUT_S = 240
STOP_TIMEOUT_S = 60


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket of one of the head's processes."""

    process: str
    address: str
    port: int

    @property
    def loopback(self) -> bool:
        return self.address.removeprefix("::ffff:") in ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Head:
    """A running head. `home` holds its token."""

    process: psutil.Popen
    home: Path
    gcs: int
    dashboard: int
    client: int

    def processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def listeners(self) -> list[Listener]:
        return [
            Listener(process.name(), connection.laddr.ip, connection.laddr.port)
            for process in self.processes()
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]


def environment(home: Path) -> dict[str, str]:
    """Return this process's environment without Ray's variables, with the mode of the cluster files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {"HOME": str(home), "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}


def ports(count: int) -> list[int]:
    """Return free ports, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [there.getsockname()[1] for there in sockets]
    for there in sockets:
        there.close()
    return found


@contextmanager
def started(home: Path) -> Iterator[Head]:
    """Start a head and yield it; at the end none of its processes is left.

    Raises:
        RuntimeError: it did not start; with its output.
    """
    gcs, dashboard, client = ports(3)
    options = head_options(ROOT / "cluster.yaml")
    del options["autoscaling-config"]  # there is no cloud that could start workers
    options |= {"port": str(gcs), "dashboard-port": str(dashboard), "ray-client-server-port": str(client)}
    options |= {
        "dashboard-agent-listen-port": "0",
        "temp-dir": str(home / "r"),
        "object-store-memory": "80000000",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    output = home / "output"
    with output.open("w") as said:
        process = psutil.Popen(
            [RAY, "start", "--head", "--block", *words],
            env=environment(home), cwd=home, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    head = Head(process, home, gcs, dashboard, client)
    known: set[psutil.Process] = set()
    try:
        until = time.monotonic() + START_TIMEOUT_S
        while "Ray runtime started" not in output.read_text() or not _is_listening(client):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(output.read_text())
            time.sleep(0.5)
        yield head
    finally:
        if process.poll() is None:
            known.update(head.processes())
            process.terminate()
        _, left = psutil.wait_procs(known, timeout=STOP_TIMEOUT_S)
        for survivor in left:
            survivor.kill()
        process.wait(STOP_TIMEOUT_S)


def _is_listening(port: int) -> bool:
    """The Ray client's server starts some seconds after the head reports that it is up."""
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


def run(head: Head, *command: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run a user's command with the head's token, in an environment with `changed` values."""
    env = environment(head.home) | changed
    return subprocess.run(
        command, env=env, cwd=head.home, capture_output=True, text=True, timeout=240, check=False
    )
