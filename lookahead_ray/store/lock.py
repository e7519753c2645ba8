"""One driver at a time in a run."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files, make_directory
from lookahead_ray.store.lease import leased

FILE = "lock"


@contextmanager
def lock(run: str, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Hold the run: a path by flock on `<run>/lock`, which is made if it isn't there, a URL as `leased` does.

    `StoreError` at once if another driver holds it, or if it can't be written.

    The operating system lets go of it when the holder ends, even by kill -9, so a stale file is no obstacle.
    At a URL whoever may have been killed is watched for some seconds, and `say` is told.
    """
    files = Files(run)
    if not files.local:
        with leased(files, say):
            yield
        return
    try:
        make_directory(Path(files.root))
        descriptor = os.open(files.path(FILE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StoreError(f"{files.run}/{FILE}: cannot open: {error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "unknown"
            raise StoreError(
                f"{files.run}/{FILE}: one driver at a time writes to a run, got two, the other is {holder}; "
                "wait for it to end or choose another --run"
            ) from error
        except OSError as error:
            raise StoreError(f"{files.run}/{FILE}: cannot lock: {error}") from error
        with suppress(OSError):  # on a full disk; who holds it is told for comfort alone
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        try:
            yield
        finally:
            # Unlocked by name, not only closed: a forked child may still have the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
