"""A real MLflow server on 127.0.0.1, as `mlflow server` starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_S = 180.0  # MLflow imports much, and makes the tables of its database
STEP_S = 0.2


@dataclass(frozen=True)
class MlflowServer:
    """A running server; `stop` ends it before its time."""

    address: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_server(folder: Path) -> Iterator[MlflowServer]:
    """Start a server whose database and artifacts are in `folder`."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1"),
        *("--default-artifact-root", str(folder / "artifacts")),
    ]
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # of evaluations and scorers
        )
    server = MlflowServer(f"http://127.0.0.1:{port}", process)
    try:
        _wait(server, log)
        yield server
    finally:
        server.stop()


def _wait(server: MlflowServer, log: Path) -> None:
    plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.process.poll() is None:
        with suppress(OSError), plain.open(f"{server.address}/health", timeout=5) as reply:
            if reply.status == 200:
                return
        time.sleep(STEP_S)
    raise AssertionError(f"the server did not start:\n{log.read_text()[-2000:]}")
