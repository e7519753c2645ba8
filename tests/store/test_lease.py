"""A single driver at a URL, where there are no locks."""

import json
import logging
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from lookahead_ray.store import lease
from lookahead_ray.store.files import Files
from lookahead_ray.store.lease import FILE, NEVER, Lease, leased, read_lease
from tests.s3 import BUCKET, serving

OTHER = Lease("process 7 on elsewhere", "token")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("RENEW_S", 0.05), ("STALE_S", 0.6), ("POLL_S", 0.05)):
        monkeypatch.setattr(lease, name, seconds)


@pytest.fixture
def files() -> Iterator[Files]:
    name = f"lease-test-{uuid4().hex}"
    yield Files(f"memory://{name}/run")
    if MemoryFileSystem().exists(f"/{name}"):
        MemoryFileSystem().rm(f"/{name}", recursive=True)


def put(files: Files, **fields: Any) -> None:
    files.write(FILE, json.dumps({"holder": OTHER.holder, "token": OTHER.token, **fields}).encode())


def test_a_second_driver_is_refused_in_a_line_that_names_the_first(files: Files) -> None:
    said: list[str] = []
    with (
        store.lock(files.run),
        pytest.raises(StoreError, match=r"lock\.json: one driver at a time .* the other is process \d+ on "),
        store.lock(files.run, said.append),
    ):
        raise AssertionError("both hold it")
    assert len(said) == 1
    assert "watching for" in said[0]


def test_it_is_renewed_and_given_back(files: Files) -> None:
    with leased(files):
        first = read_lease(files)
        assert first
        assert first.silent_s < 30
        renewed = threading.Event()
        while (there := read_lease(files)) == first:
            assert not renewed.wait(0.02)
        assert there
        assert (there.token, there.renewed > first.renewed) == (first.token, True)
    assert read_lease(files) is None
    with leased(files):
        pass


def test_a_killed_drivers_lease_is_taken_over(files: Files) -> None:
    put(files, renewed=3)
    with leased(files):
        there = read_lease(files)
        assert there
        assert there.token != OTHER.token
    assert read_lease(files) is None


@pytest.mark.parametrize("content", [b"{", b'{"holder": 1}', b"[]"])
def test_a_lease_of_another_version_is_one_too(files: Files, content: bytes) -> None:
    files.write(FILE, content)
    assert read_lease(files) == Lease("unknown", "", renewed_at=NEVER)
    with leased(files):
        assert read_lease(files) != Lease("unknown", "", renewed_at=NEVER)


def test_a_driver_that_lost_its_lease_gets_ctrl_c(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    # the process that runs the tests may ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), leased(files):  # noqa: PT012
            put(files)
            time.sleep(30)
    finally:
        signal.signal(signal.SIGINT, before)
    assert "process 7 on elsewhere took the run over" in caplog.text
    there = read_lease(files)
    assert there
    assert there.token == OTHER.token  # not released: it belongs to the other driver


def test_of_two_that_take_over_at_once_one_holds_it(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    put(files, renewed=3)
    write = files.write

    def overtaken(name: str, content: bytes) -> None:
        write(name, content)
        write(name, json.dumps({"holder": "third", "token": "third"}).encode())

    monkeypatch.setattr(files, "write", overtaken)
    with pytest.raises(StoreError, match="another driver took the run over"), leased(files):
        raise AssertionError("both hold it")


def test_on_s3_too() -> None:
    with serving():
        run = f"s3://{BUCKET}/{uuid4().hex}"
        with store.lock(run), pytest.raises(StoreError, match="one driver at a time"), store.lock(run):
            raise AssertionError("both hold it")
        assert store.lease_of(run) is None
