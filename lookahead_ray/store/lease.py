"""Mutual exclusion of drivers in a run on an object store, which has no locks: by a lease that is renewed.

Clocks need not agree. A driver that finds the object watches it: if it is renewed, the other driver is alive;
if it is not renewed for `STALE_S`, that driver is considered dead and the object is taken over.
"""

import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files

FILE = "lock.json"
RENEW_S = 5.0
STALE_S = 20.0
POLL_S = 1.0
NEVER = "1970-01-01T00:00:00+00:00"
QUIET_S = 60.0  # without renewal before `status` considers a driver dead; includes a margin for clock skew


@dataclass(frozen=True)
class Lease:
    """The content of a run's lease object."""

    holder: str  # "process 12 on HOST"
    token: str  # unique to this lease
    renewed: int = 0  # number of renewals
    renewed_at: str = NEVER  # ISO 8601, UTC, by the holder's clock

    @property
    def silent_s(self) -> float:
        """Return the seconds since the last renewal, up to the difference of the two clocks."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.renewed_at)).total_seconds()

    def renew(self) -> "Lease":
        """Return the lease, renewed now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return replace(self, renewed=self.renewed + 1, renewed_at=now)


def read_lease(files: Files) -> Lease | None:
    """Return the run's lease, possibly of a killed holder; None if the run is not held."""
    try:
        content = files.read(FILE)
    except FileNotFoundError:
        return None
    with suppress(ValueError, TypeError):
        return Lease(**json.loads(content))
    return Lease("unknown", "", renewed_at=NEVER)  # of another version: taken over unless it changes


@contextmanager
def leased(files: Files, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Hold the run for the duration. If another driver takes it over, this process gets SIGINT (Ctrl-C).

    Raises `StoreError` if another driver holds it. A lease that may be stale is watched for `STALE_S`; `say`
    announces that.
    """
    ours = Lease(f"process {os.getpid()} on {socket.gethostname()}", uuid4().hex).renew()
    if not files.create(FILE, _content(ours)):
        _take_over(files, ours, say)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(files, ours, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        with suppress(StoreError):
            if (there := read_lease(files)) and there.token == ours.token:
                files.remove(FILE)


def _take_over(files: Files, ours: Lease, say: Callable[[str], None]) -> None:
    first = read_lease(files)
    holder = first.holder if first else "another driver"
    say(f"{files.run}: held by {holder}; watching for {STALE_S:g} s whether it renews its lease")
    until = time.monotonic() + STALE_S
    while time.monotonic() < until:
        there = read_lease(files)
        if there is None and files.create(FILE, _content(ours)):
            return
        if there and there.token == ours.token:
            return  # created by our request whose response was lost
        if there != first:
            raise StoreError(
                f"{files.run}/{FILE}: one driver at a time writes to a run, got two, the other is "
                f"{there.holder if there else 'unknown'}; wait for it to end or choose another --run"
            )
        time.sleep(POLL_S)
    files.write(FILE, _content(ours))
    time.sleep(POLL_S)  # so that concurrent takeovers become visible
    if (there := read_lease(files)) is None or there.token != ours.token:
        raise StoreError(f"{files.run}/{FILE}: another driver took the run over at the same time")


def _renew(files: Files, ours: Lease, ended: threading.Event) -> None:
    while not ended.wait(RENEW_S):
        try:
            there = read_lease(files)
            if there and there.token != ours.token:
                logging.getLogger(__name__).error("%s: %s took the run over", files.run, there.holder)
                os.kill(os.getpid(), signal.SIGINT)
                return
            ours = ours.renew()
            files.write(FILE, _content(ours))
        except StoreError as error:
            logging.getLogger(__name__).warning("%s: not renewed: %s", files.run, error)


def _content(lease: Lease) -> bytes:
    fields: dict[str, Any] = asdict(lease)
    return json.dumps(fields, indent=2).encode()
