"""Commit, session, journal, cache and checkpoint where any call to the disk fails, by each of four errors."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lookahead_ray import store
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.errors import StoreError
from lookahead_ray.store.session import Session, write_session
from lookahead_ray.sweep.search import journal as journal_module
from lookahead_ray.sweep.search.journal import ended_in, open_journal
from lookahead_ray.sweep.search.study import ROLE, Outcome
from tests.factory import make_record
from tests.failing_disk import ERRORS, failing_disk
from tests.store.contract import IDENTITY

errors = pytest.mark.parametrize("error", ERRORS, ids=[errno.errorcode[error] for error in ERRORS])


def each_call(root: Path, error: int, act: Callable[[], None], check: Callable[[bool], None]) -> int:
    """Let each call of `act` fail in turn, then `check(raised)`; return the number of calls."""
    for number in range(1_000):
        said = ""
        with failing_disk(root, error, number) as disk:
            try:
                act()
            except (StoreError, OSError) as failure:
                said = str(failure)
        raised = bool(said)
        assert os.strerror(error) in said or not raised, disk.calls
        assert "\n" not in said
        check(raised)
        if not disk.failed:
            assert not raised
            return number
    raise AssertionError("it never ends")


@errors
def test_a_commit(tmp_path: Path, error: int) -> None:
    run = str(tmp_path / "run")
    writer = store.create(run, IDENTITY)
    first, second = (make_record(number, prompts=1, steps=1) for number in range(2))
    writer.commit(first)

    def check(raised: bool) -> None:
        found = store.open(run).records()
        if not raised or (error == errno.EROFS and len(found) == 2):  # which keeps it from being removed
            assert found == [first, second]
            with pytest.raises(StoreError, match="committed once"):
                writer.commit(second)
            (tmp_path / "run/commits/trial-1.json").unlink()
            for path in tmp_path.glob("run/tables/*/trial-1.parquet"):
                path.unlink()
        else:
            assert found == [first]
        if error != errno.EROFS:
            assert not list(tmp_path.rglob("*.tmp"))

    assert each_call(tmp_path, error, lambda: writer.commit(second), check) >= {errno.EMFILE: 12}.get(
        error, 24
    )


@errors
def test_the_beginning_of_a_run(tmp_path: Path, error: int) -> None:
    run = str(tmp_path / "run")

    def act() -> None:
        with store.lock(run) as hold:
            store.create(run, IDENTITY, hold)
            write_session(hold, Session("now", "process 1 on here", None, 3))

    def check(raised: bool) -> None:
        with store.lock(run) as hold:
            assert store.create(run, IDENTITY, hold).identity == IDENTITY
        assert raised or store.read_session(run)

    assert each_call(tmp_path, error, act, check) > 3


@errors
def test_the_journal(tmp_path: Path, error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "STALE_LOCK_S", 0.02)
    path = tmp_path / "run" / "study.journal"
    committed: list[str] = []

    def opened() -> Any:
        return open_journal(path, "study", ["objective"], {}, committed)

    opened()

    def act() -> None:
        """Go on as a sweep does: with the trial that ran, or a new one, which is committed before it ends."""
        journal = opened()
        running = [trial.user_attrs["trial_id"] for trial in journal.in_flight(committed)]
        trial_id = running[0] if running else f"search-{len(committed)}"
        if not running:
            journal.begin(trial_id, {}, {ROLE: "search"})
        committed.append(trial_id)
        journal.end(trial_id, Outcome((0.5,), 0.0, {"status": "completed"}))

    def check(raised: bool) -> None:
        trials = opened().study.get_trials(deepcopy=False)
        ids = [trial.user_attrs["trial_id"] for trial in trials]
        assert len(ids) == len(set(ids))
        assert ended_in(trials) <= set(committed)
        assert raised or committed[-1] in ended_in(trials)
        committed[:] = [trial_id for trial_id in committed if trial_id in ids]

    assert each_call(tmp_path, error, act, check) > 8


@errors
def test_the_cache(tmp_path: Path, error: int) -> None:
    cache, key = DiskCache(tmp_path / "cache"), "ab" * 32
    cache.put(key, 0)
    values = [0]

    def act() -> None:
        values.append(len(values))
        cache.put(key, values[-1])

    def check(raised: bool) -> None:
        found = cache.get(key)
        assert found == values[-1] or (raised and found == values[-2])
        values[-1] = found
        cache.put("cd" * 32, 1)
        assert cache.get("cd" * 32) == 1

    assert each_call(tmp_path, error, act, check) >= {errno.EMFILE: 2}.get(error, 4)


@pytest.mark.usefixtures("group")
@errors
def test_a_checkpoint(tmp_path: Path, error: int) -> None:
    import torch

    from lookahead_ray.train.checkpoint import local

    directory = tmp_path / "trial"

    def make_folder(path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def save_file(path: Path) -> None:
        with path.open("wb") as file:
            file.write(path.parent.name.encode())

    def save_files(directory: str, tag: str, **options: Any) -> None:
        engine.checkpoint_engine.makedirs(Path(directory, tag))
        for name in ("weights.pt", "optimiser.pt"):
            engine.checkpoint_engine.save(Path(directory, tag, name))

    writer = SimpleNamespace(makedirs=make_folder, save=save_file)
    engine = SimpleNamespace(
        module=torch.nn.Linear(1, 1), save_checkpoint=save_files, checkpoint_engine=writer
    )
    epochs = [1]

    def save(epoch: int) -> None:
        if failed := local.save(engine, directory, config_hash="h", epoch=epoch, steps=(), state={}):
            raise OSError(failed)

    save(1)

    def act() -> None:
        epochs.append(len(epochs) + 1)
        save(epochs[-1])

    def check(raised: bool) -> None:
        found = local.read_checkpoint(directory)
        assert found is not None
        assert found.epoch in epochs[-2:] if raised else found.epoch == epochs[-1]
        assert local.unfit(found, local.sizes(directory / found.folder), "h", 1) is None
        assert (directory / found.folder / "weights.pt").read_bytes() == found.folder.encode()
        epochs[-1] = found.epoch
        epochs.append(epochs[-1])

    assert each_call(tmp_path, error, act, check) > 4
