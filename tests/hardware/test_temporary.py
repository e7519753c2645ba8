"""Folders of Ray's sockets, and shared memory."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware import temporary
from lookahead_ray.hardware.temporary import LONGEST_SOCKET, SESSION, describe_shared_memory, ray_folder


def test_a_short_folder_is_left_to_ray() -> None:
    assert ray_folder({"TMPDIR": "/tmp"}) is None
    assert ray_folder({"RAY_TMPDIR": "/tmp", "TMPDIR": "/tmp/" + "x" * 90}) is None


@pytest.mark.parametrize("name", ["x" * 90, "ü" * 20, "my files"])
def test_paths_that_ray_cannot_use_are_replaced(name: str, tmp_path: Path) -> None:
    found = ray_folder({"TMPDIR": f"/tmp/{name}"})
    assert found is not None
    assert len(os.fsencode(found + SESSION)) <= LONGEST_SOCKET
    assert " " not in found


def test_without_any_folder_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "can_write", lambda folder: False)
    with pytest.raises(
        ConfigError, match=r"RAY_TMPDIR: must be a folder .* at most \d\d bytes .* got '/tmp/a b'"
    ):
        ray_folder({"TMPDIR": "/tmp/a b"})


def test_little_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free = SimpleNamespace(f_bsize=4096, f_blocks=64 * 256, f_bavail=60 * 256)
    monkeypatch.setattr(temporary.os, "statvfs", lambda folder: free)
    line = describe_shared_memory()
    assert line
    assert "/dev/shm has 60 of 64 MiB free" in line
    free.f_bavail = 10**6
    assert describe_shared_memory() is None
    monkeypatch.undo()
    assert "is missing" in str(describe_shared_memory(tmp_path / "none"))


def test_scratch_of_killed_processes_is_removed_and_that_of_living_ones_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, young = tmp_path / f"{temporary.SCRATCH}left", tmp_path / f"{temporary.SCRATCH}young"
    for folder in (left, young):
        folder.mkdir()
        (folder / temporary.SCRATCH_LOCK).touch()
    os.utime(left, (0, 0))
    with temporary.scratch_folder() as living:
        os.utime(living, (0, 0))
        with temporary.scratch_folder() as other:
            assert sorted(map(str, tmp_path.iterdir())) == sorted([living, other, str(young)])
        assert not Path(other).exists()
    assert list(tmp_path.iterdir()) == [young]
