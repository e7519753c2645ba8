"""The state of the driver that writes to a run, for observers that read only the run's files.

`<run>/session.json` is written when the driver starts on the run and again when it ends; a killed driver
leaves it without an end.
"""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files, to_json
from lookahead_ray.store.lease import Lease, read_lease
from lookahead_ray.store.lock import LOCK_FILE

FILE = "session.json"
How = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True)
class Session:
    """The current or last driver of a run."""

    started_at: str  # ISO 8601, UTC
    process: str  # "process 12 on HOST"
    job: str | None  # submission id, if the driver is a Ray job
    trials: int  # requested, with references, without repeats of `confirm`
    search: dict[str, Any] = field(default_factory=dict)  # this driver's `config.search`
    ended_at: str | None = None
    how: How | None = None  # how it ended


def write_session(run: str, session: Session) -> None:
    """Write the session, replacing the previous one. Raises `StoreError` if the file system fails."""
    Files(run).write(FILE, to_json(asdict(session), f"{run}/{FILE}", indent=2).encode())


def read_session(run: str) -> Session | None:
    """Return the run's current or last driver; None if there is no file. `StoreError` if it is malformed."""
    try:
        content = Files(run).read(FILE)
    except FileNotFoundError:
        return None
    try:
        return Session(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise StoreError(f"{run}/{FILE}: must be a session as JSON, got {content[:80]!r}") from error


def holder(run: str) -> str | None:
    """Return the holder of a local run's lock, such as "process 12 on HOST"; None if it is free.

    Raises `StoreError` for a run that has no lock, because it is not on a local file system. To find out, the
    lock is held shared for a moment; a driver that starts in that moment is refused.
    """
    files = Files(run)
    if not files.local:
        raise StoreError(f"{run}: only a run on a local file system has a lock")
    try:
        descriptor = os.open(files.path(LOCK_FILE), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{run}/{LOCK_FILE}: cannot open: {error}") from error
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return None
        return os.read(descriptor, 200).decode("utf-8", "replace").strip() or "unknown"
    finally:
        os.close(descriptor)


def lease_of(run: str) -> Lease | None:
    """Return the lease of a run at a URL, possibly of a killed holder; None if it is not held."""
    return read_lease(Files(run))


def keep(run: str, name: str, content: bytes) -> None:
    """Write a file about the run next to its tables. Raises `StoreError` if the file system fails."""
    Files(run).write(name, content)


def kept(run: str, name: str) -> bytes:
    """Return the content of a file next to the tables. Raises `StoreError` if it is missing."""
    try:
        return Files(run).read(name)
    except FileNotFoundError as error:
        raise StoreError(f"{run}/{name}: no such file") from error
