"""What keeps DeepSpeed from compiling its operation is found before training, with the remedy."""

from pathlib import Path

import pytest

from lookahead_ray.errors import ConfigError
from lookahead_ray.train.shared_memory_op import (
    NAME,
    ROOT_VARIABLE,
    break_foreign_lock,
    check_operation,
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An extensions directory that does not exist yet."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "deep" / "extensions"))
    monkeypatch.delenv("CXX", raising=False)
    return tmp_path / "deep" / "extensions"


def test_a_directory_that_can_not_be_written(root: Path) -> None:
    root.parent.write_text("a file")
    with pytest.raises(ConfigError, match=rf"{root} can't be written .*: set {ROOT_VARIABLE} to a directory"):
        check_operation()


FOLDERS = (Path(NAME), Path("py311_cpu") / NAME)  # of a directory that is set, and of PyTorch's own


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_without_a_compiler(root: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CXX", "/no/such/g++ -O2")
    with pytest.raises(ConfigError, match=r"no C\+\+ compiler '/no/such/g\+\+ -O2': install one"):
        check_operation()
    (root / folder).mkdir(parents=True)
    (root / folder / f"{NAME}.so").write_bytes(b"")  # it is compiled already
    check_operation()


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_the_lock_of_a_killed_process_is_removed(root: Path, folder: Path) -> None:
    (root / folder).mkdir(parents=True)
    (root / folder / "lock").touch()
    break_foreign_lock(longest_s=0)
    assert not (root / folder / "lock").exists()


def test_without_ninja(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(ConfigError, match="ninja is not installed"):
        check_operation()


def test_this_machine_compiles(root: Path) -> None:
    check_operation()
    assert not root.exists()
