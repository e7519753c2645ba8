"""`make` sets `.venv` up with make_venv.py: with a fake Python and pip, so that nothing is installed."""

import importlib.util
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TARGET = ".venv/.ready"

# `make_venv.py` runs in the real Python with the fake one as `sys.executable`; `-m venv` links to the latter
FAKE = f"""#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  --version) echo "Python ${{FAKE_VERSION-{VERSION}.0}}" ;;
  make_venv.py*)
    exec '{sys.executable}' -c '
import runpy, sys
sys.executable, *sys.argv = sys.argv[1:]
runpy.run_path("make_venv.py", run_name="__main__")' "$0" "$@" ;;
  "-m venv "*) mkdir -p "$3/bin" && ln -s "$0" "$3/bin/python" ;;
  "-m pip --version") echo "pip 1.0 from somewhere (python ${{VENV_VERSION-{VERSION}}})" ;;
  *torch==*)
    echo "Downloading torch.whl (100 MB)"; echo "Progress 30 of 100"
    [ -z "$FAIL" ] || {{ echo "ERROR: $FAIL" >&2; exit 1; }}
    [ -z "$HANG" ] || exec sleep 60 ;;
  *compileall*) exit 1 ;;
esac
"""


class Project:
    """A copy of the files that set-up reads, and a fake Python."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "project"
        self.root.mkdir()
        for name in (
            "Makefile",
            "make_venv.py",
            "constraints.txt",
            "constraints-hashes.txt",
            "pyproject.toml",
        ):
            shutil.copy(ROOT / name, self.root)
        self.python = directory / "python3"
        self.python.write_text(FAKE)
        self.python.chmod(0o755)
        self.calls = directory / "calls"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "CALLS": str(self.calls)}
        self.packages = self.root / ".venv" / "lib" / f"python{VERSION}" / "site-packages"

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the set-up target, by default with the fake Python; the calls are those of this run."""
        self.calls.write_text("")
        return subprocess.run(
            ["make", *(arguments or (TARGET, f"PYTHON={self.python}"))],
            cwd=self.root,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        command = ["make", TARGET, f"PYTHON={self.python}"]
        return subprocess.Popen(command, cwd=self.root, stdin=subprocess.DEVNULL, **options)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def module(project: Project) -> Any:
    """Return the project's make_venv, imported."""
    spec = importlib.util.spec_from_file_location("make_venv", project.root / "make_venv.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("version", ["2.7.18", "3.10.13", "3.14.0", "4.11.0"])
def test_another_python_is_refused(project: Project, version: str) -> None:
    refused = project.make("test", f"PYTHON={project.python}", FAKE_VERSION=version)
    assert refused.returncode != 0
    line, makes_own = refused.stdout.splitlines()
    assert "needs Python 3.11, 3.12 or 3.13" in line
    assert f"says 'Python {version}'" in line
    assert line.endswith("make test PYTHON=python3.12")
    assert makes_own.startswith("make: ***")
    assert not (project.root / ".venv").exists()


def test_a_python_that_is_not_there_is_refused(project: Project) -> None:
    refused = project.make(TARGET, "PYTHON=python3.99")
    assert refused.returncode != 0
    assert re.search(r"'python3.99 --version' says '.*not found'", refused.stdout)


@pytest.mark.parametrize("version", ["3.11.7", "3.12.1", "3.13.0rc1"])
def test_supported_pythons(project: Project, version: str) -> None:
    assert project.make(FAKE_VERSION=version).returncode == 0


def test_the_steps_and_their_times(project: Project) -> None:
    made = project.make()
    assert made.returncode == 0, made.stdout
    first, *steps, last = made.stdout.splitlines()
    assert re.fullmatch(rf"Setting up \.venv with Python {VERSION}\S+ \(log: \.venv/setup\.log\)", first)
    assert [step[:5] for step in steps] == [f"[{number}/5]" for number in range(1, 6)]
    assert all(re.fullmatch(r"\[./5\] .+ \.\.+ \d+ s", step) for step in steps)
    assert re.fullmatch(r"Set-up took \d+ s\.", last)
    torch = re.search("^torch==.*", (ROOT / "constraints.txt").read_text(), re.M)
    assert torch
    installs = [call for call in project.calls.read_text().splitlines() if "pip install" in call]
    hashed, *last = [call.split() for call in installs[1:]]
    assert hashed[-2:] == ["--require-hashes", "--requirement=constraints-hashes.txt"]
    assert [words[-1] for words in last] == [torch[0], "--editable=."], (
        "PyTorch by its pin, after what it needs"
    )
    assert "--no-build-isolation" in last[1], "pip would fetch setuptools without a hash"
    assert "--require-hashes" in installs[0], "pip itself"
    assert re.fullmatch(
        r"pip==\S+( \\\n +--hash=sha256:[0-9a-f]{64})+\n", (project.root / ".venv/pip.txt").read_text()
    )
    log = (project.root / ".venv/setup.log").read_text()
    assert [line for line in log.splitlines() if line.startswith("[")] == steps
    assert "Progress" not in log


def test_nothing_happens_when_nothing_changed(project: Project) -> None:
    project.make()
    again = project.make()
    assert again.returncode == 0
    assert again.stdout == ""
    assert len(project.calls.read_text().splitlines()) == 2, "its version, and make_venv.py"
    (project.root / "constraints.txt").write_text("torch==0\n")
    assert "install PyTorch 0 ..." in project.make().stdout


def test_a_failed_step_says_what_to_do(project: Project) -> None:
    failed = project.make("quickstart", f"PYTHON={project.python}", FAIL="no space left")
    assert failed.returncode != 0
    assert re.search(r"\[3/5\] install PyTorch \S+ \.+ failed\n", failed.stdout)
    assert "    ERROR: no space left\n" in failed.stdout
    assert f"The whole log is {project.root}/.venv/setup.log." in failed.stdout
    assert f"Then run `make quickstart PYTHON={project.python}` again." in failed.stdout
    made = project.make()
    assert made.returncode == 0
    assert "-m venv" not in project.calls.read_text(), "the environment is kept"


def test_interrupted_and_continued(project: Project) -> None:
    environment = project.environment | {"HANG": "1"}
    running = project.start(env=environment, stdout=subprocess.PIPE, process_group=0)
    while running.poll() is None and not (project.calls.exists() and "torch==" in project.calls.read_text()):
        time.sleep(0.02)
    began = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)
    output = running.communicate(timeout=20)[0].decode()
    assert running.returncode != 0
    assert time.monotonic() - began < 8, "pip was interrupted too"
    assert "Set-up was interrupted; `make" in output
    assert project.make().returncode == 0


@pytest.mark.parametrize("left", ["nothing", "no python", "no pip", "another python", "another directory"])
def test_an_unusable_environment_is_made_again(project: Project, left: str) -> None:
    if left == "nothing":
        (project.root / ".venv").mkdir()
    else:
        project.make()
    if left == "another directory":
        project.root = project.root.rename(project.root.with_name("moved"))
    else:
        (project.root / TARGET).unlink(missing_ok=True)
    (project.root / ".venv" / "old").touch()
    python = project.root / ".venv/bin/python"
    if left == "no python":
        python.unlink()
    if left == "no pip":
        python.unlink()
        python.symlink_to("/bin/false")
    made = project.make(**({"VENV_VERSION": "3.9"} if left == "another python" else {}))
    assert made.returncode == 0, made.stdout
    assert not (project.root / ".venv" / "old").exists()
    assert (project.root / ".venv/setup.log").exists()
    if left == "another python":
        assert "The .venv that is here is replaced: its Python is 3.9." in made.stdout


def test_the_environments_own_python_is_the_default(project: Project) -> None:
    project.make()
    (project.root / ".venv/pyvenv.cfg").write_text(f"executable = {project.python}\n")
    assert project.make(TARGET).stdout == ""
    assert project.calls.read_text(), "it was asked"


def test_half_installed_packages_are_installed_again(project: Project) -> None:
    project.make()
    (project.root / TARGET).unlink()
    for name in ("whole-1.0.dist-info", "half-1.0.dist-info", "~ld-1.0.dist-info"):
        (project.packages / name).mkdir(parents=True)
        (project.packages / name / "METADATA").touch()
    (project.packages / "whole-1.0.dist-info" / "INSTALLER").touch()
    project.make()
    assert [path.name for path in project.packages.iterdir()] == ["whole-1.0.dist-info"]


def test_one_set_up_at_a_time(project: Project) -> None:
    project.make()
    (project.root / TARGET).unlink()
    two = [project.start(env=project.environment, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = sorted(running.communicate(timeout=30)[0].decode() for running in two)
    assert [running.returncode for running in two] == [0, 0]
    assert sum(output.count("Set-up took") for output in outputs) == 1


def test_a_terminal_sees_the_progress(project: Project) -> None:
    reading, writing = pty.openpty()
    running = project.start(env=project.environment | {"COLUMNS": "80"}, stdout=writing, stderr=writing)
    os.close(writing)
    output = b""
    try:
        while chunk := os.read(reading, 1 << 16):
            output += chunk
    except OSError:  # the other side was closed
        pass
    assert running.wait() == 0
    text = output.decode()
    assert re.search(r"\r\x1b\[K\[3/5\] install PyTorch \S+ +\d+ s  30 % Downloading torch\.whl", text)
    assert all(len(part) < 84 for part in re.split(r"[\r\n]+", text))


def test_what_the_machine_lacks(module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module.sysconfig, "get_path", lambda name: str(tmp_path))
    venv, compiler, headers = module.find_missing()
    assert f"install venv (Debian, Ubuntu: python{VERSION}-venv)" in venv
    assert "no C++ compiler `c++`" in compiler
    assert f"(Debian, Ubuntu: python{VERSION}-dev)" in headers


def test_nothing_begins_without_a_compiler(project: Project) -> None:
    refused = project.make(CXX="no-such-compiler")
    assert refused.returncode != 0
    compiler, then, _ = refused.stdout.splitlines()
    assert compiler == "There is no C++ compiler `no-such-compiler`, which DeepSpeed needs: install g++."
    assert then.startswith("Then run `make")
    assert not (project.root / ".venv").exists()


def test_full_disks(module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(0.5e9))
    lines = list(module.find_full_disks())
    assert len(lines) == 3
    assert lines[0] == f"Set-up needs 4 GB in {module.ROOT}, where 0.5 GB are free: make room."
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(6e9))
    assert list(module.find_full_disks()) == []
    assert "CUDA" in capsys.readouterr().out
    (module.PACKAGES / "torch").mkdir(parents=True)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(1.5e9))
    assert list(module.find_full_disks()) == [], "most of it is installed"


def test_a_directory_that_cannot_be_written(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VENV", Path("/proc/self/.venv"))  # not even root may write there
    with pytest.raises(module.SetupError, match=r"Cannot write to /proc/self/\.venv \(.*\): use a copy"):
        module.open_log()


def test_durations(module: Any) -> None:
    assert [module.in_words(seconds) for seconds in (0.4, 59.6, 71.5)] == ["0 s", "1 min 0 s", "1 min 12 s"]


def test_the_makefile_takes_the_versions_that_the_package_declares() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.11,<3.14"' in text
    assert re.findall(r"Python :: 3\.(\d+)", text) == ["11", "12", "13"]


def test_every_pin_but_pytorchs_has_hashes() -> None:
    pins = {line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] != "#"}
    (torch,) = [pin for pin in pins if pin.startswith("torch==")]
    text = (ROOT / "constraints-hashes.txt").read_text()
    entries = [entry.split() for entry in re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", "").splitlines()]
    names = {re.sub("[-_.]+", "-", pin).lower() for pin in pins - {torch}}
    found = {re.sub("[-_.]+", "-", entry[0]).lower() for entry in entries}
    built = {name for name in found if name.startswith(("pip==", "setuptools=="))}
    assert found == names | built
    assert len(built) == 2
    for _, *hashes in entries:
        assert hashes
        assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", word) for word in hashes)
