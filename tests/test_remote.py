"""Which refusals of a file system are waited for."""

import errno
from collections.abc import Callable
from uuid import uuid4

import fsspec
import pytest

from lookahead_ray import remote
from lookahead_ray.remote import opened, patiently


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses, which take no time here; the clock goes on by them."""
    pauses: list[float] = []
    monkeypatch.setattr(remote, "_answered", set())
    monkeypatch.setattr(remote.time, "sleep", pauses.append)
    monkeypatch.setattr(remote.time, "monotonic", lambda: sum(pauses))
    return pauses


def refusing(times: int, error: Exception) -> Callable[[], str]:
    """Raises `error` so often before it answers."""
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "answer"

    return call


def test_one_that_has_answered_is_waited_for(slept: list[float]) -> None:
    fs, _ = opened("memory://x")
    patiently(fs, lambda: None)
    assert patiently(fs, refusing(3, OSError("refused"))) == "answer"
    assert slept == [0.5, 1.0, 2.0]


def test_and_so_is_one_that_knows_no_such_file(slept: list[float]) -> None:
    fs, _ = opened("memory://x")
    with pytest.raises(FileNotFoundError):
        patiently(fs, refusing(1, FileNotFoundError("x")))
    assert patiently(fs, refusing(1, OSError("refused"))) == "answer"


def test_one_that_never_answered_is_not(slept: list[float]) -> None:
    fs, _ = opened("memory://x")
    with pytest.raises(OSError, match="refused"):
        patiently(fs, refusing(1, OSError("refused")))
    assert slept == []
    assert patiently(fs, refusing(1, OSError("refused")), expected=True) == "answer"


def test_two_minutes_at_most(slept: list[float]) -> None:
    fs, _ = opened("memory://x")
    with pytest.raises(OSError, match="refused"):
        patiently(fs, refusing(1000, OSError("refused")), expected=True)
    assert 100 < sum(slept) <= remote.PATIENCE_S
    assert max(slept) == remote.LONGEST_PAUSE_S


@pytest.mark.parametrize(
    "error", [PermissionError("key"), ValueError("no"), OSError(errno.ENOSPC, "full")], ids=repr
)
def test_what_does_not_pass_is_told_at_once(slept: list[float], error: Exception) -> None:
    fs, _ = opened("memory://x")
    patiently(fs, lambda: None)
    with pytest.raises(type(error)):
        patiently(fs, refusing(1, error))
    assert slept == []


def test_listings_are_not_cached() -> None:
    place = f"memory://{uuid4().hex}"
    fs, root = opened(f"{place}/")
    fsspec.filesystem("memory").pipe_file(f"{place}/a", b"")
    assert fs.ls(root, detail=False) == [f"{root}/a"]
