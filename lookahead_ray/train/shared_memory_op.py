"""DeepSpeed's shared-memory operation for ranks on CPUs, which it compiles on first use on each machine."""

import fcntl
import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lookahead_ray.errors import ConfigError

NAME = "deepspeed_shm_comm"
ROOT_VARIABLE = "TORCH_EXTENSIONS_DIR"
LONGEST_FOREIGN_BUILD_S = 120.0  # by other software than this package
SUBJECT = "training on CPU cores needs DeepSpeed's shared-memory operation, which is compiled on first use"


def extensions_root() -> Path:
    """Return the directory of compiled extensions, as PyTorch chooses it."""
    from torch._appdirs import user_cache_dir

    root = os.environ.get(ROOT_VARIABLE) or user_cache_dir(  # type: ignore[no-untyped-call]
        appname="torch_extensions"
    )
    return Path(os.path.realpath(root))


def _build_folders() -> list[Path]:
    """Return the directories in which the operation was compiled, or is.

    PyTorch puts it into one for each version of Python, but right into a directory that the user chose.
    """
    return [folder for pattern in (NAME, f"*/{NAME}") for folder in extensions_root().glob(pattern)]


def check_operation() -> None:
    """Raise if the operation can't be compiled and loaded on this machine.

    Raises:
        ConfigError: the directory can't be written or no code may be loaded from it, or there is no ninja, no
            C++ compiler or no header of Python; the message says what to do.
    """
    root = extensions_root()
    try:
        existing = next(place for place in (root, *root.parents) if place.exists())
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise ConfigError(
            f"{SUBJECT}, but {root} can't be written ({error.strerror}): set {ROOT_VARIABLE} to a directory "
            "that can"
        ) from error
    if os.statvfs(existing).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise ConfigError(
            f"{SUBJECT}, but {root} is on a disk from which no code may be loaded (noexec): set "
            f"{ROOT_VARIABLE} to a directory elsewhere"
        )
    scripts = Path(sys.executable).parent
    if not (shutil.which("ninja") or shutil.which("ninja", path=str(scripts))):
        raise ConfigError(f"{SUBJECT}, but ninja is not installed: run `pip install ninja`")
    if any((folder / f"{NAME}.so").exists() for folder in _build_folders()):
        return
    compiler = os.environ.get("CXX") or "c++"
    if not shutil.which((shlex.split(compiler) or [compiler])[0]):
        raise ConfigError(
            f"{SUBJECT}, but there is no C++ compiler {compiler!r}: install one (on Debian or Ubuntu "
            "`apt-get install g++`), or set CXX to its path"
        )
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if not header.is_file():
        raise ConfigError(
            f"{SUBJECT}, but {header} is missing: install the headers of Python (on Debian or Ubuntu "
            "`apt-get install python3-dev`)"
        )


def load_operation(on_gpu: bool = False) -> None:
    """Load DeepSpeed's operation, and compile it where that was not done; on GPUs do nothing.

    One process of this package at a time does so. PyTorch's own lock file outlives a process that is killed,
    and later processes would wait for it for ever; ours ends with its process.
    """
    if on_gpu:
        return
    from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

    with _only_loader():
        break_foreign_lock()
        ShareMemCommBuilder().load(verbose=False)


@contextmanager
def _only_loader() -> Iterator[None]:
    root = extensions_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lookahead-ray.lock").open("a") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def break_foreign_lock(longest_s: float = LONGEST_FOREIGN_BUILD_S) -> None:
    """Remove PyTorch's lock of a process that was killed while it compiled or loaded the operation.

    A lock younger than `longest_s` may belong to other software; wait until it is gone or older, but at most
    for `longest_s`, as this machine's clock may be behind that of the file.
    """
    for lock in (folder / "lock" for folder in _build_folders()):
        until_s = time.monotonic() + longest_s
        with suppress(FileNotFoundError):  # its holder has finished meanwhile
            while time.time() - lock.stat().st_mtime < longest_s and time.monotonic() < until_s:
                time.sleep(min(0.2, longest_s))
            lock.unlink()
