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
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from lookahead_ray.entrypoints.errors import print_to_stderr
from lookahead_ray.entrypoints.submit import forward
from lookahead_ray.entrypoints.submit.relay import relay
from lookahead_ray.errors import ConfigError

VARIABLE = "RAY_API_SERVER_ADDRESS"
"""Ray's environment variable for the address of a job server."""
TUNNEL_S = 120.0  # maximum time for opening a tunnel
LONGEST_SOCKET_PATH = 100  # bytes; macOS allows 103, Linux 107


@contextmanager
def job_server(cluster: str | None, address: str | None) -> Iterator[str]:
    """Yield the address of the job server, which is reachable inside the `with` block.

    `cluster` is a file for `ray up`; a local port then leads to the head's dashboard, over ssh.

    Raises:
        ConfigError: both or neither are given, there is no such file, or the tunnel cannot be opened.
    """
    if cluster is not None:
        if address is not None:
            raise ConfigError(f"--cluster and --address: give one of them, got {cluster} and {address}")
        check_cluster_file(Path(cluster))
        with tunnel([sys.executable, "-m", forward.__name__, cluster]) as found:
            yield found
        return
    if not address:
        raise ConfigError(
            "which cluster: give --cluster cluster.yaml, or --address http://127.0.0.1:8265 of its job server"
        )
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"--address: must be http://HOST:PORT or https://HOST:PORT, got {address!r}")
    if is_readable_on_the_way(address):
        print_to_stderr(
            f"warning: {address}: the token, the files and the values of --env are sent unencrypted; "
            "use https://, or an ssh tunnel to a port of this machine"
        )
    yield address


def is_readable_on_the_way(address: str) -> bool:
    """Return whether requests to `address` leave this machine without encryption."""
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname == "localhost":
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:  # a name
        return True


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
    """Run `command SOCKET` inside the `with` block and yield a local address that leads to that Unix socket.

    The socket is in a directory that only this user can enter: requests carry the token, and a port that is
    free now could be another user's by the time the command listens.

    Raises:
        ConfigError: the command ends, or nothing listens at the socket in time; with its last output.
    """
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryDirectory(prefix="lookahead-ray-", dir=_short_directory()) as folder,
    ):
        path = Path(folder, "head")
        process = subprocess.Popen(  # noqa: S603  # Ray's own command, and a file that the user names
            [*command, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all its child processes, such as ssh, are terminated with it
        )
        try:
            deadline = time.monotonic() + timeout_s
            while process.poll() is not None or not _listens(path):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    lines = output.read().decode("utf-8", "replace").split("\n")
                    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
                    raise ConfigError(f"{command[-1]}: no tunnel to the head: {last}")
                time.sleep(0.2)
            with relay(path) as port:
                yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _short_directory() -> str | None:
    """Return where to create the socket's directory; None: the usual place, if its path is short."""
    return None if len(tempfile.gettempdir()) < LONGEST_SOCKET_PATH - 40 else "/tmp"  # noqa: S108


def _listens(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            return True
    except OSError:
        return False
