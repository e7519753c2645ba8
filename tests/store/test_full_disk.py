"""A run on a real full disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from lookahead_ray.store import Store
from tests.disk import Disk, small_disk
from tests.factory import make_record
from tests.store.contract import IDENTITY


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 400) as mounted:
        yield mounted


def temporary(run: Path) -> list[Path]:
    return [path for path in run.rglob("*") if path.name.endswith(".tmp")]


def committing(writer: Store, number: int) -> str:
    """Return why the trial could not be committed; empty if it was."""
    try:
        writer.commit(make_record(number))
    except StoreError as error:
        return str(error)
    return ""


def test_commits_until_it_is_full(disk: Disk) -> None:
    run = disk.root / "run"
    writer = store.create(str(run), IDENTITY)
    done = 0
    while not (message := committing(writer, done)):
        done += 1
    assert message.startswith(f"trial trial-{done} is not committed: {run}/")
    assert f"/trial-{done}." in message
    assert message.endswith(
        ": cannot write: No space left on device; free some space, then continue with --resume"
    )
    assert done > 2
    assert store.open(str(run)).records() == [make_record(number) for number in range(done)]
    assert temporary(run) == []


def test_wherever_in_a_commit_it_is_full(disk: Disk) -> None:
    run = disk.root / "run"
    store.create(str(run), IDENTITY).commit(make_record(0))
    named = set()
    for pages in range(40):
        disk.fill(pages_left=pages)
        writer = store.create(str(run), IDENTITY)
        message = committing(writer, 1)
        disk.free()
        if not message:
            break
        named.add(message.split(":")[1].removeprefix(f" {run}/"))
        assert "No space left on device" in message
        assert store.open(str(run)).records() == [make_record(0)]
        assert writer.committed_ids() == {"trial-0"}
        assert temporary(run) == []
        for path in run.glob("tables/*/trial-1.parquet"):  # so that each attempt takes the same space
            path.unlink()
    assert {"tables/trials/trial-1.parquet", "commits/trial-1.json"} <= named
    assert store.open(str(run)).records() == [make_record(0), make_record(1)]


def test_a_run_that_cannot_begin(disk: Disk) -> None:
    run = disk.root / "run"
    with store.lock(str(run)):
        disk.fill()
        with pytest.raises(StoreError, match=r"run/sweep\.json: cannot write: No space left on device; free"):
            store.create(str(run), IDENTITY)
        disk.free()
        store.create(str(run), IDENTITY).commit(make_record(0))


def test_a_full_disk_is_locked_and_read_as_any_other(disk: Disk) -> None:
    run = str(disk.root / "run")
    with store.lock(run):
        store.create(run, IDENTITY).commit(make_record(0))
    disk.fill()
    with store.lock(run):
        assert store.create(run, IDENTITY).committed_ids() == {"trial-0"}
        assert store.open(run).records() == [make_record(0)]
