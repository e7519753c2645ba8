"""A lock that admits one driver at a time to a run."""

import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files, make_directory
from lookahead_ray.store.hold import Hold
from lookahead_ray.store.lease import leased

LOCK_FILE = "lock"
MOUNTS = Path("/proc/self/mounts")
_FLOCK = "hhqqi4x"  # struct flock: l_type, l_whence, l_start, l_len, l_pid


@contextmanager
def lock(run: str, say: Callable[[str], None] = lambda line: None) -> Iterator[Hold]:
    """Hold the run: at a path by a lock on `<run>/lock`, which is created if missing; at a URL by `leased`.

    Raises `StoreError` at once if another driver holds it, or if it can't be written.

    The operating system releases the lock when the holder ends, even by kill -9, so a stale file is harmless.
    It is an open file description lock, because a reader can find out who holds it without taking it.
    At a URL a lease that may be stale is watched for `STALE_S` seconds; `say` announces that.
    """
    hold = Hold(run)
    if not hold.files.local:
        with leased(run, say) as lease:
            yield lease
        return
    where = f"{run}/{LOCK_FILE}"
    try:
        make_directory(Path(hold.files.root))
        descriptor = os.open(hold.files.path(LOCK_FILE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StoreError(f"{where}: cannot open: {error}") from error
    try:
        try:
            _ask(descriptor, fcntl.F_OFD_SETLK, fcntl.F_WRLCK)
        except (BlockingIOError, PermissionError) as error:  # POSIX allows both for a lock that is held
            raise StoreError(
                f"{where}: one driver at a time writes to a run, got two, the other is "
                f"{_name_in(descriptor)}; "
                "wait for it to end or choose another --run"
            ) from error
        except OSError as error:
            raise StoreError(f"{where}: cannot lock: {error}") from error
        if not _seen_by_other_machines(Path(hold.files.root)):
            say(
                f"note: {run} is on a network file system that is mounted without locks between machines: "
                "a driver on another machine would not be refused"
            )
        with suppress(OSError):  # on a full disk; the holder's name is only informative
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        try:
            yield hold
        finally:
            # Unlock explicitly besides closing: a forked child may still have the descriptor.
            _ask(descriptor, fcntl.F_OFD_SETLK, fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


def holder_of(files: Files) -> str | None:
    """Return the holder of a local run's lock, such as "process 12 on HOST"; None if it is free.

    No lock is taken, so no driver that starts at this moment is refused. Raises `StoreError` for a run that
    has no lock, because it is not on a local file system.
    """
    if not files.local:
        raise StoreError(f"{files.run}: only a run on a local file system has a lock")
    try:
        descriptor = os.open(files.path(LOCK_FILE), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{files.run}/{LOCK_FILE}: cannot open: {error}") from error
    try:
        held = _ask(descriptor, fcntl.F_OFD_GETLK, fcntl.F_WRLCK) != fcntl.F_UNLCK
        return _name_in(descriptor) if held else None
    except OSError as error:
        raise StoreError(f"{files.run}/{LOCK_FILE}: cannot be examined: {error}") from error
    finally:
        os.close(descriptor)


def _ask(descriptor: int, request: int, kind: int) -> int:
    """Make a request for a lock of the whole file; return the kind of lock in the answer."""
    answer = fcntl.fcntl(descriptor, request, struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0))
    found: int = struct.unpack(_FLOCK, answer)[0]
    return found


def _name_in(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip() or "unknown"


def _seen_by_other_machines(directory: Path) -> bool:
    """Return False if `directory` is on NFS, mounted with locks that are local to this machine."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return True
    place = directory.resolve()
    around = [mount for mount in mounts if len(mount) > 3 and place.is_relative_to(mount[1])]
    if not around:
        return True
    _, _, kind, options, *_ = max(around, key=lambda mount: len(mount[1]))
    local = {"nolock", "local_lock=posix", "local_lock=all"}
    return not (kind.startswith("nfs") and local.intersection(options.split(",")))
