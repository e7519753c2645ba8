"""What the driver that writes to a run says of itself, for whoever looks at the tables alone.

`<run>/session.json` is written when the driver takes the run up and again when it ends; a driver that was
killed leaves it without an end.
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
from lookahead_ray.store.lock import FILE as LOCK

FILE = "session.json"
How = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True)
class Session:
    """The last driver of a run."""

    started_at: str  # ISO 8601, UTC
    process: str  # "process 12 on HOST"
    job: str | None  # submission id, where the driver is a Ray job
    trials: int  # asked for, references included, repeats of `confirm` not
    search: dict[str, Any] = field(default_factory=dict)  # `config.search` as this driver has it
    ended_at: str | None = None
    how: How | None = None  # it ended


def write_session(run: str, session: Session) -> None:
    """Put it there, replacing the one before. `StoreError` if the file system fails."""
    Files(run).write(FILE, to_json(asdict(session), f"{run}/{FILE}", indent=2).encode())


def read_session(run: str) -> Session | None:
    """The run's last driver; None if none has said anything. `StoreError` if the file is malformed."""
    try:
        content = Files(run).read(FILE)
    except FileNotFoundError:
        return None
    try:
        return Session(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise StoreError(f"{run}/{FILE}: must be a session as JSON, got {content[:80]!r}") from error


def holder(run: str) -> str | None:
    """Who holds the lock of a local run, such as "process 12 on HOST"; None if nobody does.

    `StoreError` for a run that has no lock, because it is not on a local file system. The lock is shared for
    a moment to find out, in which a driver that begins would be refused.
    """
    files = Files(run)
    if not files.local:
        raise StoreError(f"{run}: only a run on a local file system has a lock")
    try:
        descriptor = os.open(files.path(LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{run}/{LOCK}: cannot open: {error}") from error
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return None
        return os.read(descriptor, 200).decode("utf-8", "replace").strip() or "unknown"
    finally:
        os.close(descriptor)


def lease_of(run: str) -> Lease | None:
    """Who holds a run at a URL, or was killed holding it; None if nobody does."""
    return read_lease(Files(run))


def keep(run: str, name: str, content: bytes) -> None:
    """Put a file about the run beside its tables. `StoreError` if the file system fails."""
    Files(run).write(name, content)


def kept(run: str, name: str) -> bytes:
    """A file beside the tables. `StoreError` if it isn't there."""
    try:
        return Files(run).read(name)
    except FileNotFoundError as error:
        raise StoreError(f"{run}/{name}: no such file") from error
