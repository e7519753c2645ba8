"""A process that was killed while it loaded DeepSpeed's op does not block later processes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lookahead_ray.train.shared_memory_op import break_foreign_lock


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    path = tmp_path / "py311_cpu" / "deepspeed_shm_comm" / "lock"
    path.parent.mkdir(parents=True)
    break_foreign_lock()  # there is none
    path.touch()
    return path


def test_an_old_one_is_taken_away_at_once(lock: Path) -> None:
    os.utime(lock, (time.time() - 500,) * 2)
    start = time.monotonic()
    break_foreign_lock()
    assert not lock.exists()
    assert time.monotonic() - start < 5


def test_a_young_one_is_waited_for_until_it_is_given_back(lock: Path) -> None:
    threading.Timer(0.3, lock.unlink).start()
    break_foreign_lock()
    assert not lock.exists()


@pytest.mark.parametrize("ahead_s", [0, 5000])
def test_or_until_it_is_old(lock: Path, ahead_s: float) -> None:
    """By the clock of this machine, or, if the file's is ahead, by the time that was waited."""
    os.utime(lock, (time.time() + ahead_s,) * 2)
    start = time.monotonic()
    break_foreign_lock(longest_s=1.0)
    assert not lock.exists()
    assert 0.5 < time.monotonic() - start < 10


LOADER = r"""
import sys, time
from pathlib import Path
from lookahead_ray.train.shared_memory_op import _only_loader
with _only_loader():
    log = Path(sys.argv[1])
    log.write_text(log.read_text() + "in\n")
    time.sleep(0.3)
    log.write_text(log.read_text() + "out\n")
    if len(sys.argv) > 2:
        time.sleep(600)
"""


@pytest.mark.slow
def test_one_process_at_a_time_loads_and_a_killed_one_blocks_none(lock: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("")
    killed = subprocess.Popen([sys.executable, "-c", LOADER, str(log), "stays"])
    deadline = time.monotonic() + 60
    while log.read_text() != "in\nout\n":
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    others = [subprocess.Popen([sys.executable, "-c", LOADER, str(log)]) for _ in range(2)]
    time.sleep(0.5)
    assert log.read_text() == "in\nout\n"
    killed.kill()
    killed.wait()
    assert [other.wait(30) for other in others] == [0, 0]
    assert log.read_text() == "in\nout\n" * 3
