"""Runs in memory and on S3 (moto's server on 127.0.0.1)."""

import uuid
from collections.abc import Iterator

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from tests.store.contract import IDENTITY, StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def run(self) -> Iterator[str]:
        name = f"store-test-{uuid.uuid4().hex}"
        yield f"memory://{name}/run"
        if MemoryFileSystem().exists(f"/{name}"):
            MemoryFileSystem().rm(f"/{name}", recursive=True)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy"):
            patch.delenv(name, raising=False)
        S3FileSystem.clear_instance_cache()
        S3FileSystem().mkdir("runs")
        yield "runs"
        S3FileSystem.clear_instance_cache()
    server.stop()


class TestS3(StoreContract):
    @pytest.fixture
    def run(self, bucket: str) -> str:
        return f"s3://{bucket}/{uuid.uuid4().hex}/run"

    def test_no_bucket(self, bucket: str) -> None:
        with pytest.raises(StoreError, match="s3://no-such-bucket/run"):
            store.create("s3://no-such-bucket/run", IDENTITY)

    def test_the_lock_does_nothing(self, run: str) -> None:
        with store.lock(run), store.lock(run):
            store.create(run, IDENTITY)
