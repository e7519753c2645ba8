"""External services of a cluster's sweep, as processes of the launcher: storage and a judge's endpoint."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.cluster.on_premise import Cluster, until

BUCKET = "runs"
PORTS = {"moto.server": 5555, "tests.cluster.endpoint": 8081}
SECRETS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class Service:
    """A module that serves on the launcher's address."""

    def __init__(self, cluster: Cluster, module: str, *words: str) -> None:
        self.url = f"http://{cluster.launcher.address}:{PORTS[module]}"
        self._cluster, self._words = cluster, ["-m", module, *words]
        self._process: psutil.Popen | None = None
        self.start()

    def start(self) -> None:
        """Start the server and return when it answers."""
        launcher = self._cluster.launcher
        command = launcher.inside(sys.executable, *self._words, **self._cluster.environment(launcher))
        log = self._cluster.network.folder / "services.txt"
        with log.open("a") as told:
            self._process = psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        address = self.url.removeprefix("http://").replace(":", "/")
        ask = launcher.inside("bash", "-c", f"exec 3<>/dev/tcp/{address}")
        until(
            lambda: subprocess.run(ask, capture_output=True, check=False).returncode == 0, log.read_text(), 60
        )

    def stop(self) -> None:
        """Refuse every connection and drop all data."""
        if self._process:
            for process in [*self._process.children(recursive=True), self._process]:
                process.kill()
            self._process.wait(10)
            self._process = None

    def hang(self, seconds: float) -> None:
        """Stop answering for some seconds."""
        assert self._process
        everyone = [self._process, *self._process.children(recursive=True)]
        for how in (signal.SIGSTOP, signal.SIGCONT):
            for process in everyone:
                process.send_signal(how)
            time.sleep(seconds if how == signal.SIGSTOP else 0)


class Storage:
    """S3 as served by moto, with one bucket."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        address = cluster.launcher.address
        self.service = Service(cluster, "moto.server", "-H", address, "-p", str(PORTS["moto.server"]))
        self.variables = {
            **SECRETS,
            "AWS_ENDPOINT_URL": self.service.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._python(f"import s3fs; s3fs.S3FileSystem().mkdir({BUCKET!r})")

    def copy(self, url: str, to: Path) -> None:
        """Download everything below `url` to this machine."""
        code = f"import s3fs; s3fs.S3FileSystem().get({url + '/'!r}, {str(to) + '/'!r}, recursive=True)"
        self._python(code)

    def _python(self, code: str) -> None:
        launcher = self._cluster.launcher
        variables = {**self._cluster.environment(launcher), **self.variables}
        subprocess.run(launcher.inside(sys.executable, "-c", code, **variables), check=True, timeout=120)


@contextmanager
def storage(cluster: Cluster) -> Iterator[Storage]:
    """Serve S3 while the context lasts."""
    found = Storage(cluster)
    try:
        yield found
    finally:
        found.service.stop()


@contextmanager
def endpoint(cluster: Cluster) -> Iterator[Service]:
    """Serve a judge that calls every answer harmless, while the context lasts."""
    words = (cluster.launcher.address, str(PORTS["tests.cluster.endpoint"]))
    found = Service(cluster, "tests.cluster.endpoint", *words)
    try:
        yield found
    finally:
        found.stop()
