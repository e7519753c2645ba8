"""Where trials keep their checkpoints, and when these are removed."""

from pathlib import Path

import pytest

from lookahead_ray.sweep.checkpoints import CheckpointFolder
from lookahead_ray.trial.job import Checkpoints


def test_each_trial_has_its_own_place_until_it_is_committed(tmp_path: Path) -> None:
    folder = CheckpointFolder(str(tmp_path / "run"), 2)
    for trial in ("a", "b"):
        given = folder.of(trial)
        assert given == Checkpoints(str(tmp_path / "run" / "checkpoints" / trial), 2)
        Path(given.directory, "epoch-1").mkdir(parents=True)
    folder.remove("a")
    folder.remove("never-written")
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["b"]


def test_a_relative_run_is_found_from_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = CheckpointFolder("runs/x", 1).of("a")
    assert given
    assert Path(given.directory).is_absolute()
    assert Path(given.directory).parent.is_dir()


@pytest.mark.parametrize(("run", "every"), [("memory://run", 1), ("runs/x", None)])
def test_without_checkpoints_nothing_is_made(
    run: str, every: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = CheckpointFolder(run, every)
    assert folder.of("a") is None
    folder.remove("a")
    assert list(tmp_path.iterdir()) == []
