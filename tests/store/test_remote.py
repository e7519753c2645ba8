"""Runs in memory and on S3 (moto's server on 127.0.0.1)."""

import uuid
from collections.abc import Iterator

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from tests.s3 import BUCKET, serving
from tests.store.contract import IDENTITY, StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def run(self) -> Iterator[str]:
        name = f"store-test-{uuid.uuid4().hex}"
        yield f"memory://{name}/run"
        if MemoryFileSystem().exists(f"/{name}"):
            MemoryFileSystem().rm(f"/{name}", recursive=True)


class TestNameThatIsAPattern(StoreContract):
    @pytest.fixture
    def run(self) -> Iterator[str]:
        name = f"store-test-{uuid.uuid4().hex}"
        fs = MemoryFileSystem()
        others = [f"/{name}/{other}/tables/trials/trial-3.parquet" for other in ("lreab1", "lr1xb?", "lreb2")]
        for other in others:
            fs.pipe_file(other, b"another run's")
        yield f"memory://{name}/lr[1e]*b?"
        assert {fs.cat_file(other) for other in others} == {b"another run's"}
        fs.rm(f"/{name}", recursive=True)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with serving():
        yield BUCKET


@pytest.mark.slow
class TestS3(StoreContract):
    @pytest.fixture
    def run(self, bucket: str) -> str:
        return f"s3://{bucket}/{uuid.uuid4().hex}/run"

    def test_no_bucket(self, bucket: str) -> None:
        with pytest.raises(StoreError, match="s3://no-such-bucket/run"):
            store.create("s3://no-such-bucket/run", IDENTITY)
