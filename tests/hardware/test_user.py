"""Users without a home, a name or a folder to write to."""

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lookahead_ray.disk_cache import cache_dir
from lookahead_ray.hardware import user
from lookahead_ray.hardware.user import can_write, give_ray_a_token, prepare_user, private_folder


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process's user unknown."""

    def missing(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", missing)
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "LOOKAHEAD_RAY_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a home that can't be written, also not by root."""
    home = tmp_path / "home"
    home.mkdir()
    access = os.access
    monkeypatch.setattr(
        user.os, "access", lambda path, mode: not Path(path).is_relative_to(home) and access(path, mode)
    )
    return home


def test_an_unknown_user_gets_a_home_and_a_name(unknown: None, temporary: Path) -> None:
    (line,) = prepare_user()
    assert os.environ["HOME"] == str(temporary / f"lookahead-ray-{os.getuid()}" / "home")
    assert os.environ["USER"] == f"uid{os.getuid()}"
    assert Path(os.environ["HOME"]).stat().st_mode & 0o777 == 0o700
    assert "HOME is not set" in line
    assert prepare_user() == []  # said once
    assert cache_dir().is_relative_to(temporary)


def test_the_cache_needs_no_home(unknown: None, temporary: Path) -> None:
    assert cache_dir().is_relative_to(temporary)


def test_a_home_that_can_be_written_is_used(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "new"), "USER": "ann"}
    assert prepare_user(environ) == []
    assert environ == {"HOME": str(tmp_path / "new"), "USER": "ann"}


def test_a_home_that_cannot_be_written_keeps_what_it_holds(read_only: Path, temporary: Path) -> None:
    (read_only / ".cache" / "huggingface").mkdir(parents=True)
    environ = {"HOME": str(read_only), "USER": "ann", "MPLCONFIGDIR": "/mine"}
    (line,) = prepare_user(environ)
    assert (environ["HOME"], environ["MPLCONFIGDIR"]) == (str(read_only), "/mine")
    assert "HF_HOME" not in environ  # its models stay in use
    for name in ("LOOKAHEAD_RAY_CACHE", "TORCH_EXTENSIONS_DIR", "TRITON_CACHE_DIR", "HF_DATASETS_CACHE"):
        assert Path(environ[name]).is_relative_to(temporary)
        assert name in line
    assert str(read_only) in line


def test_ray_needs_no_home_to_keep_its_key(read_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(read_only))
    environ: dict[str, str] = {}
    give_ray_a_token(environ)
    assert len(environ["RAY_AUTH_TOKEN"]) == 64
    (read_only / ".ray").mkdir()
    (read_only / ".ray" / "auth_token").write_text("key")
    environ = {}
    give_ray_a_token(environ)
    assert not environ  # Ray reads it


def test_without_a_hub_cache_a_new_one_is_made(read_only: Path, temporary: Path) -> None:
    environ = {"HOME": str(read_only), "USER": "ann"}
    prepare_user(environ)
    assert Path(environ["HF_HOME"]).is_relative_to(temporary)


def test_a_folder_of_another_user_is_not_used(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (temporary / f"lookahead-ray-{os.getuid()}").symlink_to(temporary)
    assert private_folder("cache").parent.parent == temporary
    assert not (temporary / "cache").exists()


def test_what_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert can_write(tmp_path / "a" / "b")
    assert not can_write(tmp_path / "file" / "b")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_a_command_of_a_user_without_an_entry(temporary: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in ("HOME", "USER", "LOGNAME")}
    code = "import os, lookahead_ray.hardware.user as u; print(u.prepare_user(), os.environ['USER'])"
    words = ["setpriv", "--reuid", "12345", "--clear-groups", sys.executable, "-c", code]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, env=environ, capture_output=True, text=True, check=False)
    if "Permission denied" in done.stderr:
        pytest.skip("the interpreter is not readable for other users")
    assert "user 12345 is unknown here" in done.stdout, done.stderr
    assert done.stdout.endswith("uid12345\n")
