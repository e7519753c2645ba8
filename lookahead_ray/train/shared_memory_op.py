"""DeepSpeed's shared-memory operation for ranks on CPUs, which it compiles on first use on each machine."""

import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from lookahead_ray.errors import ConfigError

NAME = "deepspeed_shm_comm"
ROOT_VARIABLE = "TORCH_EXTENSIONS_DIR"
SUBJECT = "training on CPU cores needs DeepSpeed's shared-memory operation, which is compiled on first use"


def extensions_root() -> Path:
    """Return the directory of compiled extensions, as PyTorch chooses it."""
    from torch._appdirs import user_cache_dir

    root = os.environ.get(ROOT_VARIABLE) or user_cache_dir(  # type: ignore[no-untyped-call]
        appname="torch_extensions"
    )
    return Path(os.path.realpath(root))


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
    if any(root.glob(f"*/{NAME}/{NAME}.so")):
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
