"""One driver at a time in a run on an object store, which has no locks: an object that its holder renews.

Clocks need not agree. Whoever finds the object watches it: renewed, the other driver lives; not renewed for
`STALE_S`, that driver is dead and the object is taken over.
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
QUIET_S = 60.0  # without a word, before `status` takes a driver for dead: clocks may differ by some of it


@dataclass(frozen=True)
class Lease:
    """Who holds a run."""

    holder: str  # "process 12 on HOST"
    token: str  # of this holding alone
    renewed: int = 0  # times
    renewed_at: str = NEVER  # ISO 8601, UTC, by the holder's clock

    @property
    def silent_s(self) -> float:
        """Seconds since its holder renewed it, as far as the clocks agree."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.renewed_at)).total_seconds()

    def renew(self) -> "Lease":
        """The same, once more."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return replace(self, renewed=self.renewed + 1, renewed_at=now)


def read_lease(files: Files) -> Lease | None:
    """Who holds the run, or held it when they were killed; None if nobody does."""
    try:
        content = files.read(FILE)
    except FileNotFoundError:
        return None
    with suppress(ValueError, TypeError):
        return Lease(**json.loads(content))
    return Lease("unknown", "", renewed_at=NEVER)  # another version's: taken over unless it changes


@contextmanager
def leased(files: Files, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Hold the run for the duration. A holder who finds that another took it over gets Ctrl-C.

    `StoreError` if another driver holds it. One that may have died is watched for `STALE_S`; `say` is told.
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
    who = first.holder if first else "a driver"
    say(f"{files.run}: {who} holds it; watching for {STALE_S:g} s whether that lives")
    until = time.monotonic() + STALE_S
    while time.monotonic() < until:
        there = read_lease(files)
        if there is None and files.create(FILE, _content(ours)):
            return
        if there and there.token == ours.token:
            return  # made by a request whose answer was lost
        if there != first:
            raise StoreError(
                f"{files.run}/{FILE}: one driver at a time writes to a run, got two, the other is "
                f"{there.holder if there else 'unknown'}; wait for it to end or choose another --run"
            )
        time.sleep(POLL_S)
    files.write(FILE, _content(ours))
    time.sleep(POLL_S)  # for others who do the same
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
