"""The state of the driver that writes to a run, for observers that read only the run's files.

`<run>/session.json` is written when the driver starts on the run and again when it ends; a killed driver
leaves it without an end.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files, to_json
from lookahead_ray.store.hold import Hold
from lookahead_ray.store.lease import Heartbeat, holder_at_url
from lookahead_ray.store.lock import holder_of

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


def write_session(hold: Hold, session: Session) -> None:
    """Write the session, replacing the previous one. Raises `StoreError` if it can't or the run is lost."""
    hold.keep(FILE, to_json(asdict(session), f"{hold.run}/{FILE}", indent=2).encode())


def read_session(run: str) -> Session | None:
    """Return the run's current or last driver; None if there is no file. `StoreError` if it is malformed.

    Fields that a later version has added are left out.
    """
    try:
        content = Files(run).read(FILE)
    except FileNotFoundError:
        return None
    try:
        known = {each.name for each in fields(Session)}
        return Session(**{name: value for name, value in json.loads(content).items() if name in known})
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{run}/{FILE}: must be a session as JSON, got {content[:80]!r}") from error


def holder(run: str) -> str | None:
    """Return the holder of a local run's lock, as `holder_of` does."""
    return holder_of(Files(run))


def lease_of(run: str) -> Heartbeat | None:
    """Return the last heartbeat of a run at a URL, possibly of a killed holder; None if it is not held."""
    return holder_at_url(Files(run))


def kept(run: str, name: str) -> bytes:
    """Return the content of a file next to the tables. Raises `StoreError` if it is missing."""
    try:
        return Files(run).read(name)
    except FileNotFoundError as error:
        raise StoreError(f"{run}/{name}: no such file") from error
