"""Access to the job server: an address, or the head of a cluster file through Ray's own tunnel over ssh."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from lookahead_ray.errors import ConfigError

VARIABLE = "RAY_API_SERVER_ADDRESS"
"""Ray's environment variable for the address of a job server."""
TUNNEL_S = 120.0  # maximum time for opening a tunnel


@contextmanager
def job_server(cluster: str | None, address: str | None) -> Iterator[str]:
    """Yield the address of the job server, which is reachable inside the `with` block.

    `cluster` is a file for `ray up`; the head's dashboard is then forwarded to a free local port.

    Raises:
        ConfigError: both or neither are given, there is no such file, or the tunnel cannot be opened.
    """
    if cluster is not None:
        if address is not None:
            raise ConfigError(f"--cluster and --address: give one of them, got {cluster} and {address}")
        check_cluster_file(Path(cluster))
        with tunnel([str(Path(sys.executable).with_name("ray")), "dashboard", cluster]) as found:
            yield found
        return
    if not address:
        raise ConfigError(
            "which cluster: give --cluster cluster.yaml, or --address http://127.0.0.1:8265 of its job server"
        )
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"--address: must be http://HOST:PORT or https://HOST:PORT, got {address!r}")
    yield address


def check_cluster_file(path: Path) -> None:
    """Raise `ConfigError` unless it is a YAML file with a cluster's name; Ray checks everything else."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such cluster file") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict) or not tree.get("cluster_name"):
        raise ConfigError(f"{path}: must be a file for `ray up`, with a cluster_name")


@contextmanager
def tunnel(command: list[str], timeout_s: float = TUNNEL_S) -> Iterator[str]:
    """Run `command --port PORT` inside the `with` block and yield the local address that it forwards.

    Raises:
        ConfigError: the command ends, or nothing listens at the port in time; contains its last output line.
    """
    port = _free_port()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603  # Ray's own command, and a file that the user names
            [*command, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all its child processes, such as ssh, are terminated with it
        )
        try:
            deadline = time.monotonic() + timeout_s
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    lines = output.read().decode("utf-8", "replace").split("\n")
                    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
                    raise ConfigError(f"{command[-1]}: no tunnel to the head: {last}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
