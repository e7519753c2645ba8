"""Directories in the cache: made once, on disk before they are seen, made again if they are damaged."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lookahead_ray import filesystem
from lookahead_ray.model import make_once as module
from lookahead_ray.model.make_once import make_once


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, target: Path) -> None:
        self.calls += 1
        save_file({"weight": torch.ones(8)}, target / "model.safetensors")
        (target / "config.json").write_text("{}")


def test_it_is_made_once(tmp_path: Path) -> None:
    make = Maker()
    for _ in range(3):
        assert make_once(tmp_path / "model", make) == tmp_path / "model"
    assert make.calls == 1
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize("of_earlier_version", [False, True])
@pytest.mark.parametrize("left", [0, 20, -1])
def test_a_truncated_file_is_mended(tmp_path: Path, of_earlier_version: bool, left: int) -> None:
    make = Maker()
    file = make_once(tmp_path / "model", make) / "model.safetensors"
    whole = file.read_bytes()
    if of_earlier_version:
        (tmp_path / "model.files.json").unlink()
        assert make_once(tmp_path / "model", make)
        assert make.calls == 1
    file.write_bytes(whole[:left])
    make_once(tmp_path / "model", make)
    assert make.calls == 2
    assert file.read_bytes() == whole


def test_a_missing_file_is_mended(tmp_path: Path) -> None:
    make = Maker()
    (make_once(tmp_path / "model", make) / "config.json").unlink()
    assert (make_once(tmp_path / "model", make) / "config.json").is_file()


def test_every_file_is_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def note(path: Path) -> None:
        synced.append(path.name)
        filesystem.sync(path)

    monkeypatch.setattr(module, "sync", note)
    make_once(tmp_path / "model", Maker())
    assert {"model.safetensors", "config.json"} <= set(synced[:-1])
    assert synced[-1] == tmp_path.name


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    left = tmp_path / ".model-abc"
    left.mkdir()
    (left / "half").touch()
    make_once(tmp_path / "model", Maker())
    assert not left.exists()


def test_a_failed_make_leaves_nothing(tmp_path: Path) -> None:
    def fail(target: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        make_once(tmp_path / "model", fail)
    assert not (tmp_path / "model").exists()
    assert not list(tmp_path.glob(".model-*"))
