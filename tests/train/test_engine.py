"""A process that was killed while it loaded DeepSpeed's op does not block later processes."""

import os
import threading
import time
from pathlib import Path

import pytest

from lookahead_ray.train.engine import break_stale_lock


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    path = tmp_path / "py311_cpu" / "deepspeed_shm_comm" / "lock"
    path.parent.mkdir(parents=True)
    break_stale_lock()  # there is none
    path.touch()
    return path


def test_an_old_one_is_taken_away_at_once(lock: Path) -> None:
    os.utime(lock, (time.time() - 500,) * 2)
    start = time.monotonic()
    break_stale_lock()
    assert not lock.exists()
    assert time.monotonic() - start < 5


def test_a_young_one_is_waited_for_until_it_is_given_back(lock: Path) -> None:
    threading.Timer(0.3, lock.unlink).start()
    break_stale_lock()
    assert not lock.exists()


def test_or_until_it_is_old(lock: Path) -> None:
    start = time.monotonic()
    break_stale_lock(longest_s=1.0)
    assert not lock.exists()
    assert 0.5 < time.monotonic() - start < 10
