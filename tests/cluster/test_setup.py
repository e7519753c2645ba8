"""clusters/setup.sh when everything is installed: what it refuses, and the profile that it writes."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cluster.files import ROOT


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A home directory on a node where the pins are installed."""
    project = tmp_path / "lookahead-ray"
    (project / "clusters").mkdir(parents=True)
    (project / ".venv").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "clusters/setup.sh", project / "clusters")
    for name in ("python3.11", "g++"):  # looked for, never run
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "bin" / name).chmod(0o755)
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("constraints.txt", "pyproject.toml")]
    (project / "constraints.txt").write_text(texts[0], encoding="utf-8")
    (project / "pyproject.toml").write_text(texts[1], encoding="utf-8")
    (project / ".venv/.installed").write_text("".join(texts), encoding="utf-8")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("0" * 64)
    (tmp_path / "nvme").mkdir()
    return tmp_path


def set_up(node: Path, cache: str = "nvme") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(node / "lookahead-ray/clusters/setup.sh"), str(node / cache)],
        env={"HOME": str(node), "PATH": f"{node}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def profile(node: Path, variable: str) -> str:
    script = f'. "$HOME/.bashrc"; printf %s "${variable}"'
    env = {"HOME": str(node), "PATH": "/usr/bin:/bin"}
    return subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=True).stdout


def test_the_profile_turns_authentication_on(node: Path) -> None:
    assert set_up(node).returncode == 0
    assert profile(node, "RAY_AUTH_MODE") == "token"
    assert profile(node, "PATH").startswith(f"{node}/lookahead-ray/.venv/bin:")
    assert profile(node, "XDG_CACHE_HOME") == f"{node}/nvme"
    assert profile(node, "TMPDIR") == f"{node}/nvme/tmp"
    assert (node / "nvme/tmp").is_dir()
    assert stat.S_IMODE((node / ".ray/auth_token").stat().st_mode) == 0o600


def test_twice_is_as_once(node: Path) -> None:
    set_up(node)
    before = (node / ".bashrc").read_text()
    assert set_up(node, cache="none").returncode == 0
    assert (node / ".bashrc").read_text() == before
    assert profile(node, "XDG_CACHE_HOME") == f"{node}/.cache", "a node without NVMe"


def test_no_token_no_node(node: Path) -> None:
    (node / ".ray/auth_token").unlink()
    assert set_up(node).returncode != 0
    assert not (node / ".lookahead-ray.sh").exists()


def test_other_pins_are_installed(node: Path) -> None:
    (node / "lookahead-ray/constraints.txt").write_text("torch==0\n")
    assert set_up(node).returncode != 0, "the python3.11 here makes no environment"
