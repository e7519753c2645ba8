"""Which errors of a file system are retried, and what is removed from it."""

import errno
import re
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from lookahead_ray import filesystem
from lookahead_ray.filesystem import open_filesystem, remove_folder, replacing, with_retries


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace pauses, which take no time here; the clock moves forward by them."""
    pauses: list[float] = []
    monkeypatch.setattr(filesystem, "_answered", set())
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    return pauses


def refusing(times: int, error: Exception) -> Callable[[], str]:
    """Raise `error` so often before answering."""
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "answer"

    return call


def test_one_that_has_answered_is_waited_for(slept: list[float]) -> None:
    fs, _ = open_filesystem("memory://x")
    with_retries(fs, lambda: None)
    assert with_retries(fs, refusing(3, OSError("refused"))) == "answer"
    assert slept == [0.5, 1.0, 2.0]


def test_and_so_is_one_that_knows_no_such_file(slept: list[float]) -> None:
    fs, _ = open_filesystem("memory://x")
    with pytest.raises(FileNotFoundError):
        with_retries(fs, refusing(1, FileNotFoundError("x")))
    assert with_retries(fs, refusing(1, OSError("refused"))) == "answer"


def test_one_that_never_answered_is_not(slept: list[float]) -> None:
    fs, _ = open_filesystem("memory://x")
    with pytest.raises(OSError, match="refused"):
        with_retries(fs, refusing(1, OSError("refused")))
    assert slept == []
    assert with_retries(fs, refusing(1, OSError("refused")), expected=True) == "answer"


def test_two_minutes_at_most(slept: list[float]) -> None:
    fs, _ = open_filesystem("memory://x")
    with pytest.raises(OSError, match="refused"):
        with_retries(fs, refusing(1000, OSError("refused")), expected=True)
    assert 100 < sum(slept) <= filesystem.PATIENCE_S
    assert max(slept) == filesystem.LONGEST_PAUSE_S


def test_no_longer_than_the_time_until_the_process_exits(slept: list[float]) -> None:
    fs, _ = open_filesystem("memory://x")
    with filesystem.restoring_retry_limit():
        filesystem.limit_retries(20.0)
        filesystem.limit_retries(60.0)  # does not prolong it
        for _ in range(3):  # several files that can't be written at the end
            with pytest.raises(OSError, match="refused"):
                with_retries(fs, refusing(1000, OSError("refused")), expected=True)
        assert sum(slept) <= 20.0
    slept.clear()
    with pytest.raises(OSError, match="refused"):
        with_retries(fs, refusing(1000, OSError("refused")), expected=True)
    assert sum(slept) > 60.0


@pytest.mark.parametrize(
    "error", [PermissionError("key"), ValueError("no"), OSError(errno.ENOSPC, "full")], ids=repr
)
def test_permanent_errors_are_raised_at_once(slept: list[float], error: Exception) -> None:
    fs, _ = open_filesystem("memory://x")
    with_retries(fs, lambda: None)
    with pytest.raises(type(error)):
        with_retries(fs, refusing(1, error))
    assert slept == []


def test_listings_are_not_cached() -> None:
    place = f"memory://{uuid4().hex}"
    fs, root = open_filesystem(f"{place}/")
    fsspec.filesystem("memory").pipe_file(f"{place}/a", b"")
    assert fs.ls(root, detail=False) == [f"{root}/a"]


class TestRemoveFolder:
    def test_removal_deletes_everything_below_and_nothing_else(self) -> None:
        fs, root = open_filesystem(f"memory://{uuid4().hex}")
        for name in ("[x]/a", "[x]/deep/er/b", "[x]2/a", "x/a", "file"):
            fs.pipe_file(f"{root}/{name}", b"")
        fs.makedirs(f"{root}/[x]/empty/er")
        remove_folder(fs, f"{root}/[x]")
        assert fs.find(root) == [f"{root}/[x]2/a", f"{root}/file", f"{root}/x/a"]
        assert not fs.exists(f"{root}/[x]")
        remove_folder(fs, f"{root}/file")
        assert not fs.exists(f"{root}/file")

    @pytest.mark.parametrize("protocol", ["memory://", ""])
    def test_one_that_is_not_there(self, protocol: str, tmp_path: Path) -> None:
        fs, root = open_filesystem(f"{protocol}{tmp_path}")
        remove_folder(fs, f"{root}/*")

    def test_links_are_not_followed_on_a_disk(self, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "kept").write_text("x")
        (tmp_path / "gone").mkdir()
        (tmp_path / "gone" / "link").symlink_to(tmp_path / "mine")
        fs, root = open_filesystem(str(tmp_path))
        remove_folder(fs, f"{root}/gone")
        assert [path.name for path in tmp_path.rglob("*")] == ["mine", "kept"]

    def test_failed_removals_are_raised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fs, root = open_filesystem(f"memory://{uuid4().hex}")
        fs.pipe_file(f"{root}/x/a", b"")

        def refused(path: str) -> None:
            raise PermissionError(path)

        monkeypatch.setattr(fs, "rm_file", refused)
        with pytest.raises(PermissionError):
            remove_folder(fs, f"{root}/x")


def test_no_call_takes_a_path_for_a_pattern() -> None:
    """`rm`, `get` and `put` expand `*` in their arguments; the calls for one file do not."""
    expanding = "rm|delete|get|put|copy|cp|mv|move|rename|cat|pipe|glob|expand_path|upload|download"
    call = re.compile(rf"fs\.(?:{expanding})\b")
    package = Path(filesystem.__file__).parent
    found = {
        f"{path.relative_to(package)}: {line.strip()}"
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if call.search(line) and not line.lstrip().startswith(("`", "#"))
    }
    assert found == {
        "filesystem.py: fs.rm(folder, recursive=True)",  # of the local file system
        # people's own patterns
        "data/locations.py: found = [name for name in sorted(with_retries(fs, fs.glob, path)) "
        "if not fs.isdir(name)]",
    }


class TestReplacing:
    @pytest.mark.parametrize("shared", [False, True])
    def test_content_is_whole_or_old(self, tmp_path: Path, shared: bool) -> None:
        path = tmp_path / "file"
        with replacing(path, shared=shared) as file:
            file.write(b"old")
            assert not path.exists()
        with pytest.raises(TypeError), replacing(path, shared=shared) as file:
            file.writelines([b"half", None])  # type: ignore[list-item]
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_writers_of_one_file_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        with replacing(path, shared=True) as first, replacing(path, shared=True) as second:
            first.write(b"first")
            second.write(b"second")
        assert path.read_bytes() == b"first"
        assert list(tmp_path.iterdir()) == [path]

    def test_what_a_killed_writer_left_is_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / ".file.tmp").write_bytes(b"longer than the next")
        with replacing(tmp_path / "file") as file:
            file.write(b"next")
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"next")]
