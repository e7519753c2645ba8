"""Results on disk: whole or not at all."""

import os
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.method.cache import Cache

KEY = "ab" + "0" * 62


@pytest.mark.parametrize("value", [[], {}, 0, "ä\n", [0.1, -1e-30], {"a": [None]}])
def test_gives_back_what_was_put(tmp_path: Path, value: Any) -> None:
    cache = Cache(tmp_path / "new")
    assert cache.get(KEY) is None
    cache.put(KEY, value)
    assert cache.get(KEY) == value
    assert cache.get("cd" + KEY[2:]) is None
    assert [file.name for file in (tmp_path / "new" / "ab").iterdir()] == [f"{KEY}.json"]


def test_a_file_under_another_name_is_not_taken_for_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put(KEY, 1)
    other = "ab" + "1" * 62
    os.replace(cache.path(KEY), cache.path(other))
    assert cache.get(other) is None


def test_a_write_that_fails_leaves_the_old_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    cache.put(KEY, 1)

    def no_space(*paths: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="disk full"):
        cache.put(KEY, 2)
    assert cache.get(KEY) == 1
    assert len(list(cache.path(KEY).parent.iterdir())) == 1


def test_what_json_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Cache(tmp_path).put(KEY, [float("nan")])
    assert Cache(tmp_path).get(KEY) is None
