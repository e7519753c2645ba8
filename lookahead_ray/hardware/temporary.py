"""Folders for temporary files and shared memory, as Ray needs them."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.user import can_write

LONGEST_SOCKET = 107
"""Maximum length in bytes of a Unix socket's path on Linux, without its final null."""
SESSION = "/session_2026-01-01_00-00-00_000000_00000000/sockets/plasma_store.0"
"""What Ray appends to its folder for the longest of its sockets' paths."""

SCRATCH, SCRATCH_LOCK = "lookahead-ray-scratch-", "lock"
SCRATCH_AGE_S = 60.0  # a younger folder may not be locked yet

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # not for files of this program
LITTLE_SHARED_MEMORY = 512 * 2**20


def ray_folder(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the folder in which Ray keeps its sessions; None if its own choice works.

    Raises:
        ConfigError: no folder works; the message says what to set.
    """
    default = Path(environ.get("RAY_TMPDIR") or environ.get("TMPDIR") or tempfile.gettempdir(), "ray")
    user = os.getuid()
    others = [Path(f"{base}/ray{suffix}") for suffix in ("", f"-{user}") for base in ("/tmp", "/var/tmp")]  # noqa: S108
    for folder in (default, *others):
        if _fits(folder) and can_write(folder):
            return None if folder == default else str(folder)
    raise ConfigError(
        f"RAY_TMPDIR: must be a folder that can be written, with a path of at most "
        f"{LONGEST_SOCKET - len(SESSION) - len('/ray')} bytes and without blanks, got {str(default.parent)!r}"
    )


@contextmanager
def scratch_folder() -> Iterator[str]:
    """Yield a new folder for the duration; remove those that killed processes of this user have left.

    A file in it is locked while its process lives.
    """
    with suppress(OSError):
        _remove_left_scratch(Path(tempfile.gettempdir()))
    folder = tempfile.mkdtemp(prefix=SCRATCH)
    try:
        with Path(folder, SCRATCH_LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_scratch(place: Path) -> None:
    for folder in place.glob(f"{SCRATCH}*"):
        with suppress(OSError):  # removed meanwhile, or locked
            status = folder.stat(follow_symlinks=False)
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < SCRATCH_AGE_S:
                continue
            with (folder / SCRATCH_LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def describe_shared_memory(folder: Path = SHARED_MEMORY) -> str | None:
    """Return one line if there is little shared memory, as in containers by default."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return f"{folder} is missing: Ray keeps objects in its temporary folder, and several GPUs can't train"
    size = found.f_bsize * found.f_blocks
    free = found.f_bsize * found.f_bavail
    if free >= LITTLE_SHARED_MEMORY:
        return None
    return (
        f"{folder} has {free // 2**20} of {size // 2**20} MiB free: Ray keeps objects in its temporary "
        "folder instead, and NCCL may fail on several GPUs; give a container more, such as with --shm-size=2g"
    )


def _fits(folder: Path) -> bool:
    text = os.fsencode(str(folder))
    return len(text) + len(SESSION) <= LONGEST_SOCKET and not any(c in b" \t\n\"'" for c in text)
