"""A finished trial whose commit fails is kept on the driver's disk, and the next session commits it."""

from pathlib import Path

import pytest

from lookahead_ray import store
from lookahead_ray.entrypoints import spool
from lookahead_ray.entrypoints.spool import SpooledStore
from lookahead_ray.errors import StoreError
from tests.factory import SWEEP_ID, make_failed, make_points, make_record


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.Store:
    """A run, with folders of this test for what can't be committed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "memory").mkdir()
    monkeypatch.setattr(spool, "MEMORY", tmp_path / "memory")
    identity = store.SweepIdentity(SWEEP_ID, "name", "hash", {}, "2026-01-01T00:00:00+00:00")
    return store.create(str(tmp_path / "run"), identity)


@pytest.fixture
def broken(opened: store.Store, monkeypatch: pytest.MonkeyPatch) -> SpooledStore:
    """The run while its disk is full."""

    def refuse(*points: object) -> None:
        raise StoreError("run: cannot write: No space left on device")

    monkeypatch.setattr(opened, "commit", refuse)
    return SpooledStore(opened)


def test_it_is_kept_said_where_and_committed_by_the_next_session(
    broken: SpooledStore, opened: store.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make_record(1)
    place = tmp_path / "cache" / "lookahead-ray" / "uncommitted" / SWEEP_ID
    with pytest.raises(StoreError, match="No space left on device; the finished trial is kept in ") as raised:
        broken.commit(record)
    assert str(place) in str(raised.value)
    assert [kept.trial_id for kept in store.open(str(place)).records()] == [record.trial_id]
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert SpooledStore(opened).restore() == [f"trial {record.trial_id}, kept in {place}, is committed"]
    assert store.open(opened.run).records() == [record]
    assert not place.exists()
    assert SpooledStore(opened).restore() == []


def test_a_trial_that_was_committed_meanwhile_is_not_committed_twice(
    broken: SpooledStore, opened: store.Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(StoreError):
        broken.commit(make_record(1))
    store.create(opened.run, opened.identity).commit(make_record(1))
    assert broken.restore() == []
    assert len(store.open(opened.run).records()) == 1


def test_it_is_kept_in_memory_if_the_cache_is_full_too(broken: SpooledStore, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()  # no folder can be made there
    with pytest.raises(StoreError, match=f"is kept in {tmp_path / 'memory'}"):
        broken.commit(make_record(1))


def test_a_folder_that_others_can_write_is_not_read(broken: SpooledStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        broken.commit(make_record(1))
    place = tmp_path / "cache" / "lookahead-ray" / "uncommitted" / SWEEP_ID
    place.chmod(0o777)
    assert broken.restore() == []
    assert place.exists()


def test_failed_trials_are_not_kept(broken: SpooledStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        broken.commit(make_failed(1))
    assert "kept" not in str(raised.value)


def test_the_points_of_a_training_are_kept_and_committed_together(
    broken: SpooledStore, opened: store.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = make_points(1)
    with pytest.raises(StoreError, match="the finished trial is kept in "):
        broken.commit(*points)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (line,) = SpooledStore(opened).restore()
    assert line.startswith("trial trial-1, kept in ")
    assert store.open(opened.run).records() == points
