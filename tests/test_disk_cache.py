"""Results on disk: complete or absent."""

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.disk_cache import CACHE_VARIABLE, DiskCache, cache_dir

KEY = "ab" + "0" * 62


@pytest.mark.parametrize("value", [[], {}, 0, "ä\n", [0.1, -1e-30], {"a": [None]}])
def test_returns_the_stored_value(tmp_path: Path, value: Any) -> None:
    cache = DiskCache(tmp_path / "new")
    assert cache.get(KEY) is None
    cache.put(KEY, value)
    assert cache.get(KEY) == value
    assert cache.get("cd" + KEY[2:]) is None
    assert [file.name for file in (tmp_path / "new" / "ab").iterdir()] == [f"{KEY}.json"]


def test_a_file_under_another_name_is_not_taken_for_it(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    cache.put(KEY, 1)
    other = "ab" + "1" * 62
    os.replace(cache.path(KEY), cache.path(other))
    assert cache.get(other) is None


def test_a_write_that_fails_leaves_the_old_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(tmp_path)
    cache.put(KEY, 1)

    def no_space(*paths: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="disk full"):
        cache.put(KEY, 2)
    assert cache.get(KEY) == 1
    assert len(list(cache.path(KEY).parent.iterdir())) == 1


def test_values_outside_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        DiskCache(tmp_path).put(KEY, [float("nan")])
    assert DiskCache(tmp_path).get(KEY) is None


def test_one_of_many_processes_computes_for_all(tmp_path: Path) -> None:
    made = []

    def trial(number: int) -> Any:
        cache = DiskCache(tmp_path)
        with cache.alone(KEY):
            if cache.get(KEY) is None:
                time.sleep(0.05)
                made.append(number)
                cache.put(KEY, number)
        return cache.get(KEY)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(trial, range(8)))
    assert len(made) == 1
    assert found == made * 8


def test_a_long_wait_ends(tmp_path: Path) -> None:
    with DiskCache(tmp_path).alone(KEY), DiskCache(tmp_path).alone(KEY, longest_s=0.05):
        DiskCache(tmp_path).put(KEY, 1)
    assert DiskCache(tmp_path).get(KEY) == 1


def test_a_failure_releases_the_lock(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    with pytest.raises(OSError, match="disk full"), cache.alone(KEY):
        raise OSError("disk full")
    with cache.alone(KEY, longest_s=0):
        assert cache.get(KEY) is None


def test_the_directory_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setenv(CACHE_VARIABLE, "~/models")
    assert cache_dir() == Path.home() / "models"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_dir() == Path("/x/lookahead-ray")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "lookahead-ray"


def test_only_the_user_can_read_a_value(tmp_path: Path) -> None:
    DiskCache(tmp_path).put(KEY, "a text of the user's data")
    assert stat.S_IMODE(DiskCache(tmp_path).path(KEY).stat().st_mode) == 0o600
