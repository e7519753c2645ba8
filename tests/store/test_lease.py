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
from lookahead_ray.filesystem import limit_retries
from lookahead_ray.store import lease
from lookahead_ray.store.files import Files
from lookahead_ray.store.lease import Lease, holder_at_url, leased
from lookahead_ray.store.ledger import Entry, Ledger
from tests.factory import make_record
from tests.s3 import BUCKET, serving
from tests.store.contract import IDENTITY

OTHER = "process 7 on elsewhere"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("RENEW_S", 0.05), ("STALE_S", 0.6), ("POLL_S", 0.05)):
        monkeypatch.setattr(lease, name, seconds)


@pytest.fixture
def run() -> Iterator[str]:
    name = f"lease-test-{uuid4().hex}"
    yield f"memory://{name}/run"
    if MemoryFileSystem().exists(f"/{name}"):
        MemoryFileSystem().rm(f"/{name}", recursive=True)


def taken(run: str, holder: str = OTHER) -> Lease:
    """Take the run as a driver that is then suspended."""
    other = Lease(run)
    other.holder = holder
    other.take()
    return other


def holder(run: str) -> str | None:
    found = holder_at_url(Files(run))
    return found and found.holder


def test_a_second_driver_is_refused_in_a_line_that_names_the_first(run: str) -> None:
    said: list[str] = []
    with (
        store.lock(run),
        pytest.raises(StoreError, match=r"run: one driver at a time .* the other is process \d+ on "),
        store.lock(run, said.append),
    ):
        raise AssertionError("both hold it")
    assert len(said) == 1
    assert "watching for" in said[0]


def test_it_is_renewed_and_given_back(run: str) -> None:
    with leased(run):
        first = store.lease_of(run)
        assert first
        assert first.silent_s < 30
        renewed = threading.Event()
        while (there := store.lease_of(run)) == first:
            assert not renewed.wait(0.02)
        assert there
        assert (there.token, there.renewed > first.renewed) == (first.token, True)
    assert store.lease_of(run) is None
    with leased(run):
        pass
    assert not Files(run).sizes("heartbeats")


def test_a_killed_drivers_run_is_taken_over(run: str) -> None:
    other = taken(run)
    assert holder(run) == OTHER
    with leased(run) as ours:
        there = store.lease_of(run)
        assert there
        assert there.token == ours.token != other.token
    assert store.lease_of(run) is None
    assert not Files(run).sizes("heartbeats")


def test_a_driver_that_releases_while_it_is_watched_makes_room(run: str) -> None:
    other = taken(run)
    threading.Timer(0.2, other.release).start()
    with leased(run) as ours:
        assert ours.lost is None


@pytest.mark.parametrize("content", [b"{", b'{"holder": 1}', b"[]"])
def test_a_malformed_entry_is_named_and_a_malformed_heartbeat_is_one_too(run: str, content: bytes) -> None:
    other = taken(run)
    Files(run).write(f"heartbeats/{other.token}", content)
    assert holder(run) == "unknown"
    with leased(run):
        pass
    Files(run).write("ledger/00000004.json", content)
    with pytest.raises(StoreError, match=r"ledger/00000004\.json: must be an entry"), leased(run):
        pass


@pytest.fixture
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the test process may ignore it
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_driver_that_lost_its_run_is_interrupted_and_says_why(
    run: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with pytest.raises(StoreError, match=f"{OTHER} took it over at .*suspended"), leased(run):  # noqa: PT012
        Ledger(Files(run)).create(2, Entry("taken", "token", OTHER, "now"))
        time.sleep(30)
    assert f"{OTHER} took it over" in caplog.text
    assert holder(run) == OTHER  # not released: it belongs to the other driver


def test_one_that_lost_its_run_writes_nothing_more(run: str) -> None:
    first = taken(run)
    writer = store.create(run, IDENTITY, first)
    writer.commit(make_record(0))
    with leased(run):
        before = Files(run).sizes("")
        for act in (
            lambda: writer.commit(make_record(1)),
            lambda: first.keep("session.json", b"{}"),
            lambda: first.files.write("driver.log", b""),
            lambda: first.files.remove("sweep.json"),
            first.renew,
            first.release,
        ):
            with pytest.raises(StoreError, match="lost to another driver"):
                act()
        after = Files(run).sizes("")
        assert before.keys() == after.keys()
    assert [record.trial_id for record in store.open(run).records()] == ["trial-0"]


@pytest.mark.parametrize("at", ["tables", "ledger", "commits"])
def test_suspended_at_any_point_of_a_commit(run: str, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first driver is suspended right before a request while a second one takes over and commits too."""
    first = taken(run)
    writer = store.create(run, IDENTITY, first)
    pipe = MemoryFileSystem.pipe_file
    second: list[Lease] = []

    def suspended(fs: Any, path: str, *arguments: Any, **options: Any) -> None:
        if f"/{at}/" in path and not second:
            second.append(Lease(run))
            second[0].take()
            other = store.create(run, IDENTITY, second[0])
            if "trial-0" not in other.committed_ids():
                other.commit(make_record(0, prompts=3))
        pipe(fs, path, *arguments, **options)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", suspended)
    if at == "commits":  # decided by the ledger: the second driver completes it
        writer.commit(make_record(0))
    else:
        with pytest.raises(StoreError, match=r"trial trial-0 is not committed: .*lost to another driver"):
            writer.commit(make_record(0))
    monkeypatch.undo()
    expected = make_record(0) if at == "commits" else make_record(0, prompts=3)
    assert store.open(run).records() == [expected]
    third = Lease(run)
    second[0].release()
    third.take()
    store.create(run, IDENTITY, third).commit(make_record(1))
    assert store.open(run).records() == [expected, make_record(1)]
    names = Files(run).sizes("tables")
    assert len(names) == 2 * len(store.TABLES)  # those of the failed commit are removed


@pytest.mark.parametrize("folder", ["ledger", "commits"])
@pytest.mark.parametrize("applied", [True, False], ids=["answer lost", "request lost"])
def test_the_last_requests_of_a_commit_fail(
    run: str, folder: str, applied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same driver commits the trial again, and after a kill the next one finds it or commits it."""
    first = taken(run)
    writer = store.create(run, IDENTITY, first)
    pipe = MemoryFileSystem.pipe_file

    def failing(fs: Any, path: str, *arguments: Any, **options: Any) -> None:
        if applied or f"/{folder}/" not in path:
            pipe(fs, path, *arguments, **options)
        if f"/{folder}/" in path:
            raise PermissionError("expired")  # which is not retried

    for number in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(MemoryFileSystem, "pipe_file", failing)
            with pytest.raises(StoreError, match=r"not committed: .*expired"):
                writer.commit(make_record(number))
        if number < 2:
            writer.commit(make_record(number))
            with pytest.raises(StoreError, match="committed once"):
                writer.commit(make_record(number))
    with leased(run) as second:
        again = store.create(run, IDENTITY, second)
        if "trial-2" not in again.committed_ids():
            assert (folder, applied) == ("ledger", False)
            again.commit(make_record(2))
    assert store.open(run).records() == [make_record(number) for number in range(3)]
    assert len(Files(run).sizes("tables")) == 3 * len(store.TABLES)


def test_a_store_that_no_longer_answers_is_not_waited_for_at_the_end(
    run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "EXIT_S", 0.2)

    def refuses(*arguments: Any, **options: Any) -> None:
        raise OSError("refused")

    with monkeypatch.context() as patch, leased(run) as ours:
        for name in ("pipe_file", "cat_file", "rm_file"):
            patch.setattr(MemoryFileSystem, name, refuses)
        began_s = time.monotonic()
        limit_retries(0.2)
        with pytest.raises(StoreError, match="refused"):
            ours.keep("session.json", b"{}")
    assert time.monotonic() - began_s < 10
    assert holder(run) == ours.holder


def test_a_dropped_trial_stays_dropped(run: str) -> None:
    """The documented repair of a damaged table: its commit file is deleted."""
    killed = taken(run)
    store.create(run, IDENTITY, killed).commit(make_record(0))
    table = next(iter(Files(run).sizes("tables/steps")))
    Files(run).write(table, b"damaged")
    Files(run).remove("commits/trial-0.json")
    with leased(run) as ours:
        again = store.create(run, IDENTITY, ours)
        assert again.committed_ids() == frozenset()
        again.commit(make_record(0))
    assert store.open(run).records() == [make_record(0)]


def test_a_store_without_conditional_writes_is_refused(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = MemoryFileSystem.pipe_file

    def ignoring(fs: Any, path: str, value: bytes, mode: str = "overwrite") -> None:
        pipe(fs, path, value)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", ignoring)
    with pytest.raises(StoreError, match="must honour conditional writes"), leased(run):
        raise AssertionError("it holds the run")
    assert Files(run).sizes("").keys() == {"ledger/probe"}


def test_servers_that_name_no_condition(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """s3fs recognises only servers that say which condition failed; it raises an OSError of its own else."""
    pipe = MemoryFileSystem.pipe_file

    def refusing(fs: Any, path: str, value: bytes, mode: str = "overwrite") -> None:
        try:
            pipe(fs, path, value, mode)
        except FileExistsError:
            cause = Exception("412")
            cause.response = {"Error": {"Code": "PreconditionFailed"}}  # type: ignore[attr-defined]
            raise OSError(22, "a pre-condition did not hold") from cause

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refusing)
    with leased(run), pytest.raises(StoreError, match="one driver at a time"), leased(run):
        raise AssertionError("both hold it")


def test_a_driver_of_an_earlier_version_is_not_run_over(run: str) -> None:
    Files(run).write("lock.json", b"{}")
    with pytest.raises(StoreError, match=r"lock\.json: .*delete this file"), leased(run):
        raise AssertionError("it holds the run")
    Files(run).remove("lock.json")
    with leased(run):
        pass


def test_of_two_that_take_over_at_once_one_holds_it(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken(run)
    create = Ledger.create

    def overtaken(ledger: Ledger, number: int, entry: Entry) -> bool:
        create(ledger, number, Entry("taken", "third", "the third", "now"))
        return create(ledger, number, entry)

    monkeypatch.setattr(Ledger, "create", overtaken)
    with pytest.raises(StoreError, match=r"one driver at a time .* the other is the third"), leased(run):
        raise AssertionError("both hold it")


@pytest.mark.slow
def test_on_s3_too(caplog: pytest.LogCaptureFixture) -> None:
    with serving():
        run = f"s3://{BUCKET}/{uuid4().hex}"
        with store.lock(run) as hold:
            with pytest.raises(StoreError, match="one driver at a time"), store.lock(run):
                raise AssertionError("both hold it")
            store.create(run, IDENTITY, hold).commit(make_record(0))
        assert store.lease_of(run) is None
        suspended = taken(run)
        writer = store.create(run, IDENTITY, suspended)
        with store.lock(run) as hold:
            with pytest.raises(StoreError, match="lost to another driver"):
                writer.commit(make_record(1))
            store.create(run, IDENTITY, hold).commit(make_record(1, prompts=3))
        assert store.open(run).records() == [make_record(0), make_record(1, prompts=3)]
        assert json.loads(Files(run).read("ledger/00000005.json"))["kind"] == "taken"
