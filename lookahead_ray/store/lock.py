"""A lock that admits one driver at a time to a run."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files, make_directory
from lookahead_ray.store.lease import leased

LOCK_FILE = "lock"


@contextmanager
def lock(run: str, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Hold the run: at a path by flock on `<run>/lock`, which is created if missing; at a URL by `leased`.

    Raises `StoreError` at once if another driver holds it, or if it can't be written.

    The operating system releases the lock when the holder ends, even by kill -9, so a stale file is harmless.
    At a URL a lease that may be stale is watched for `STALE_S` seconds; `say` announces that.
    """
    files = Files(run)
    if not files.local:
        with leased(files, say):
            yield
        return
    try:
        make_directory(Path(files.root))
        descriptor = os.open(files.path(LOCK_FILE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StoreError(f"{files.run}/{LOCK_FILE}: cannot open: {error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "unknown"
            raise StoreError(
                f"{files.run}/{LOCK_FILE}: one driver at a time writes to a run, got two, the other is "
                f"{holder}; "
                "wait for it to end or choose another --run"
            ) from error
        except OSError as error:
            raise StoreError(f"{files.run}/{LOCK_FILE}: cannot lock: {error}") from error
        with suppress(OSError):  # on a full disk; the holder's name is only informative
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        try:
            yield
        finally:
            # Unlock explicitly besides closing: a forked child may still have the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
