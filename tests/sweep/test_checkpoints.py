"""The location of trials' checkpoints, and their removal."""

from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from lookahead_ray.sweep.checkpoints import CheckpointFolder
from lookahead_ray.trial.job import Checkpoints
from tests.s3 import BUCKET, serving

PATTERNS = {
    "lr[1e]": ("lr1", "lre", "lr[1e]2"),
    "lr[!1]": ("lr2", "lrx"),
    "a*": ("a", "ab", "a*b", "a2/deeper"),
    "**": ("x", "x/y"),
    "b?": ("b1", "bb"),
    "c{1,2}": ("c1", "c2"),
}
"""Name of a run that is a pattern -> other runs, which the pattern would match."""


def test_each_trial_has_its_own_directory_until_it_is_committed(tmp_path: Path) -> None:
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
def test_without_checkpoints_no_directory_is_created(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = CheckpointFolder(run, None)
    assert folder.of("a") is None
    folder.remove({"a"})
    assert list(tmp_path.iterdir()) == []


def written(base: str, run: str, trial: str) -> str:
    """Write a trial's checkpoint; return the path of its state."""
    given = CheckpointFolder(f"{base}/{run}", 1).of(trial)
    assert given
    state = f"{given.place}/epoch-1/state"
    fs, path = fsspec.url_to_fs(state)
    fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    fs.pipe_file(path, b"x")
    return path


def expect_only_its_own_to_go(base: str, run: str) -> None:
    kept = [written(base, other, trial) for other in (*PATTERNS[run], run) for trial in ("t", "u")][:-2]
    gone = written(base, run, "t")
    kept.append(written(base, run, "u"))
    CheckpointFolder(f"{base}/{run}", 1).remove({"t"})
    fs, _ = fsspec.url_to_fs(base, use_listings_cache=False)
    assert [path for path in kept if not fs.exists(path)] == []
    assert not fs.exists(gone)
    assert [path.rsplit("/", 1)[-1] for path in fs.ls(f"{base}/{run}/checkpoints", detail=False)] == ["u"]


@pytest.mark.parametrize("run", PATTERNS)
def test_a_run_whose_name_is_a_pattern_leaves_others_alone(run: str) -> None:
    expect_only_its_own_to_go(f"memory://{uuid4().hex}", run)


@pytest.mark.parametrize("run", PATTERNS)
@pytest.mark.parametrize("protocol", ["", "file://"])
def test_so_it_does_on_a_disk(run: str, protocol: str, tmp_path: Path) -> None:
    expect_only_its_own_to_go(f"{protocol}{tmp_path}", run)


@pytest.mark.parametrize("parent", ["[ab]", "*"])
def test_a_pattern_in_a_parent_directory_does_not_match(parent: str) -> None:
    base = f"memory://{uuid4().hex}"
    other = written(f"{base}/a", "run", "t")
    mine = written(f"{base}/{parent}", "run", "t")
    CheckpointFolder(f"{base}/{parent}/run", 1).remove({"t"})
    assert [fsspec.filesystem("memory").exists(path) for path in (other, mine)] == [True, False]


@pytest.mark.slow
def test_so_it_does_on_s3() -> None:
    with serving():
        for run in PATTERNS:
            expect_only_its_own_to_go(f"s3://{BUCKET}/{uuid4().hex}", run)
