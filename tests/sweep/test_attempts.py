"""The attempts at trials, over sessions that end in order and sessions that are killed."""

from pathlib import Path

import pytest

from lookahead_ray.errors import StoreError
from lookahead_ray.sweep.attempts import SEEN_EVERY_S, Attempts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_attempts_of_killed_sessions_count_and_interrupted_ones_do_not(tmp_path: Path) -> None:
    file, clock = tmp_path / "run" / "attempts.json", Clock()
    killed = Attempts(file, clock=clock)
    killed.begin("a", 2.0)
    again = Attempts(file, clock=clock)
    assert (again.count("a"), again.error("a"), again.count("b")) == (1, None, 0)
    again.begin("a", 2.0)
    again.begin("b", 2.0)
    again.close()
    third = Attempts(file, clock=clock)
    assert (third.count("a"), third.count("b")) == (1, 0)
    third.begin("a", 2.0)
    third.fail("a", "no space")
    third.close()
    last = Attempts(file, clock=clock)
    assert (last.count("a"), last.error("a")) == (2, "no space")
    last.end("a")
    assert Attempts(file, clock=clock).count("a") == 0


def test_a_new_checkpoint_sets_the_count_back(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "attempts.json")
    for _ in range(3):
        attempts.begin("a", 1.0)
    attempts.progressed("a")
    assert Attempts(tmp_path / "attempts.json").count("a") == 1


def test_the_time_of_a_killed_session_is_known_to_the_minute(tmp_path: Path) -> None:
    file, clock = tmp_path / "attempts.json", Clock()
    killed = Attempts(file, clock=clock)
    killed.begin("a", 4.0)
    for _ in range(10):
        clock.now += SEEN_EVERY_S
        killed.note_alive()
    clock.now += 9999
    again = Attempts(file, clock=clock)
    assert again.earlier_sessions == ((1000.0, 1600.0),)
    assert again.accelerator_s == 4.0 * 600


def test_every_change_is_announced_and_a_full_disk_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[int] = []
    attempts = Attempts(tmp_path / "attempts.json", lambda: announced.append(1))
    attempts.begin("a", 1.0)
    attempts.fail("a", "x")
    assert len(announced) == 2
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--resume"):
        Attempts(tmp_path / "file" / "attempts.json").begin("a", 1.0)


def test_a_damaged_file_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "attempts.json").write_text("{")
    assert Attempts(tmp_path / "attempts.json").count("a") == 0
