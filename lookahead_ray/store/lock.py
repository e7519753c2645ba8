"""One driver at a time in a local run directory."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files, make_directory

FILE = "lock"


@contextmanager
def lock(run: str) -> Iterator[None]:
    """Hold the run, a path or an fsspec URL, by flock on `<run>/lock`, which is made if it isn't there.

    `StoreError` at once if another driver holds it, or if it can't be written.

    The operating system lets go of it when the holder ends, even by kill -9, so a stale file is no obstacle.
    On object stores there is no lock: keeping two drivers apart is up to whoever starts them.
    """
    files = Files(run)
    if not files.local:
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
