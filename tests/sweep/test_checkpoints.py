"""Where trials keep their checkpoints, and when these are removed."""

from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from lookahead_ray.sweep.checkpoints import CheckpointFolder
from lookahead_ray.trial.job import Checkpoints


def test_each_trial_has_its_own_place_until_it_is_committed(tmp_path: Path) -> None:
    folder = CheckpointFolder(str(tmp_path / "run"), 2)
    for trial in ("a", "b"):
        given = folder.of(trial)
        assert given == Checkpoints(str(tmp_path / "run" / "checkpoints" / trial), 2)
        Path(given.place, "epoch-1").mkdir(parents=True)
    folder.remove({"a", "never-written"})
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["b"]


def test_at_a_url_too() -> None:
    run = f"memory://{uuid4().hex}"
    folder = CheckpointFolder(f"{run}/", 1)
    folder.remove({"a"})  # nothing is there
    fs = fsspec.filesystem("memory")
    for trial in ("a", "b"):
        given = folder.of(trial)
        assert given == Checkpoints(f"{run}/checkpoints/{trial}", 1)
        fs.pipe_file(f"{given.place}/epoch-1/state", b"x")
    folder.remove({"a"})
    assert [path.rsplit("/", 1)[-1] for path in fs.ls(f"{run}/checkpoints", detail=False)] == ["b"]


def test_a_relative_run_is_found_from_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = CheckpointFolder("runs/x", 1).of("a")
    assert given
    assert Path(given.place).is_absolute()
    assert Path(given.place).parent.is_dir()


@pytest.mark.parametrize("run", ["memory://run", "runs/x"])
def test_without_checkpoints_nothing_is_made(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = CheckpointFolder(run, None)
    assert folder.of("a") is None
    folder.remove({"a"})
    assert list(tmp_path.iterdir()) == []
