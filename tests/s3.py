"""S3 as served by moto on 127.0.0.1 by this process."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BUCKET = "runs"


class Server:
    """A server with one bucket, which it keeps while it refuses."""

    def __init__(self) -> None:
        self.port = 0
        self._start()

    def _start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def refuse(self, seconds: float) -> None:
        """Refuse connections for some seconds."""
        self.stop()
        time.sleep(seconds)
        self._start()

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()


@contextmanager
def serving() -> Iterator[Server]:
    """Serve while the context lasts; environment variables lead this process and its children to it."""
    from s3fs import S3FileSystem

    server = Server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy"):
            patch.delenv(name, raising=False)
        S3FileSystem.clear_instance_cache()
        S3FileSystem().makedirs(BUCKET, exist_ok=True)
        yield server
        S3FileSystem.clear_instance_cache()
    server.stop()
