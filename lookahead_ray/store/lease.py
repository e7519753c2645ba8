"""One driver at a time in a run on an object store, which has no locks: by a lease that is renewed.

    <run>/ledger/             who holds the run; see `ledger`
    <run>/heartbeats/TOKEN    written by the holder of this lease alone, every `RENEW_S`

Clocks need not agree. A driver that finds the run held watches the heartbeat: if it changes, the other driver
is alive; if it does not change for `STALE_S`, that driver is considered dead and the run is taken over. If it
was only suspended or cut off, it finds the entry of the new holder in the ledger, and its own next entry, be
it a commit, can't be created.
"""

import json
import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import EXIT_S, limit_retries, restoring_retry_limit
from lookahead_ray.store.commits import has_all_tables
from lookahead_ray.store.files import Files
from lookahead_ray.store.hold import Hold
from lookahead_ray.store.ledger import Entry, Ledger, Pending

FOLDER = "heartbeats"
EARLIER_LEASE = "lock.json"  # of versions without a ledger, which do not look for one
RENEW_S = 5.0
STALE_S = 20.0
POLL_S = 1.0
_TABLE_FILE = re.compile(r"tables/[a-z_]+/[^/]+-(\d{8})-\d+\.parquet")
NEVER = "1970-01-01T00:00:00+00:00"
QUIET_S = 60.0  # without renewal before `status` considers a driver dead; includes a margin for clock skew


@dataclass(frozen=True)
class Heartbeat:
    """The content of a lease's heartbeat."""

    holder: str  # "process 12 on HOST"
    token: str  # unique to this lease
    renewed: int = 0  # number of renewals
    renewed_at: str = NEVER  # ISO 8601, UTC, by the holder's clock

    @property
    def silent_s(self) -> float:
        """Return the seconds since the last renewal, up to the difference of the two clocks."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.renewed_at)).total_seconds()


class Lease(Hold):
    """The right to write to a run at a URL, until another driver takes it over.

    One thread writes; `renew` may be called in another. Every method raises `StoreError` if the file system
    fails, and those that write also once the lease is lost.
    """

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.token = uuid4().hex
        self.holder = f"process {os.getpid()} on {socket.gethostname()}"
        self._ledger = Ledger(self.files)
        self._number = 0  # of the entry by which the run was taken; larger than that of earlier holders
        self._next = 0  # number of the next entry
        self._pending: Pending | None = None  # announced, its file is perhaps not created
        self._attempts = 0
        self._renewed = 0

    def take(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Take the run. Raises `StoreError` if another driver holds it; `say` announces a longer wait."""
        number, last = self._ledger.last()
        if last is None:
            self._refuse_earlier_version()
            self._ledger.probe()
        elif last.kind != "released":
            number, last = self._watch(number, last, say)
        self._number = self._next = number + 1
        self._pending = last.pending if last else None
        taken = self._entry("taken", self._pending)
        if not self._ledger.create(self._next, taken):
            other = self._ledger.read(self._next)
            raise self._refusal(other.holder if other else "unknown")
        self._next += 1
        self.renew()
        if self._pending and has_all_tables(self.files, self._pending.content):
            self.files.create(self._pending.name, self._pending.content.encode())
        self._pending = None
        if last and last.kind != "released":
            with suppress(StoreError):
                self.files.remove(f"{FOLDER}/{last.token}")

    def renew(self) -> None:
        """Write the heartbeat, unless the run was taken over."""
        self.check()
        self._renewed += 1
        beat = Heartbeat(self.holder, self.token, self._renewed, _now())
        self.files.write(f"{FOLDER}/{self.token}", json.dumps(asdict(beat), indent=2).encode())

    def release(self) -> None:
        """Give the run back. If it fails, the next driver watches for `STALE_S` before it takes over."""
        self._append("released")
        self.files.remove(f"{FOLDER}/{self.token}")

    def check(self) -> None:
        for _, entry in self._ledger.after(self._next - 1):
            if entry.token != self.token:  # our own: of a request whose answer was lost, or of another thread
                raise self._lose(entry)

    def table_suffix(self) -> str:
        self._attempts += 1  # a commit that failed may be listed in the ledger, so its files stay as they are
        return f"-{self._number:08d}-{self._attempts}"

    def supersedes(self, name: str) -> bool:
        found = _TABLE_FILE.fullmatch(name)
        return found is not None and int(found[1]) < self._number

    def settle(self) -> str | None:
        pending = self._pending
        if pending is None:
            return None
        created = self.files.create(pending.name, pending.content.encode())
        self._pending = None
        if not created:
            raise StoreError(f"{self.run}/{pending.name}: exists with another content")
        return pending.name

    def commit(self, name: str, content: bytes) -> bool:
        self._append("commit", Pending(name, content.decode()))
        self.settle()
        return True

    def _append(self, kind: Literal["commit", "released"], pending: Pending | None = None) -> None:
        """Create the next entry, unless an earlier request for the same commit has succeeded after all."""
        self.settle()
        while not self._ledger.create(self._next, self._entry(kind, pending)):
            found = self._ledger.read(self._next)
            if found is None or found.token != self.token:
                raise self._lose(found)
            self._next += 1
            self._pending = found.pending
            settled = self.settle()
            if pending and settled == pending.name:
                return
        self._next += 1
        self._pending = pending

    def _entry(self, kind: Literal["taken", "commit", "released"], pending: Pending | None) -> Entry:
        return Entry(kind, self.token, self.holder, _now(), pending)

    def _watch(self, number: int, last: Entry, say: Callable[[str], None]) -> tuple[int, Entry]:
        """Return the last entry once its driver has released the run or seems to be dead."""
        say(f"{self.run}: held by {last.holder}; watching for {STALE_S:g} s whether it renews its lease")
        first = _read_heartbeat(self.files, last.token)
        until = time.monotonic() + STALE_S
        while time.monotonic() < until:
            time.sleep(POLL_S)
            for newer, entry in self._ledger.after(number):
                if entry.kind != "released":
                    raise self._refusal(entry.holder)
                number, last = newer, entry
            if last.kind == "released":
                break
            beat = _read_heartbeat(self.files, last.token)
            if beat is not None and beat != first:
                raise self._refusal(last.holder)
        return number, last

    def _refuse_earlier_version(self) -> None:
        with suppress(FileNotFoundError):
            self.files.read(EARLIER_LEASE)
            raise StoreError(
                f"{self.run}/{EARLIER_LEASE}: is the lease of a driver of an earlier version; if that driver "
                "has ended, delete this file"
            )

    def _refusal(self, holder: str) -> StoreError:
        return StoreError(
            f"{self.run}: one driver at a time writes to a run, got two, the other is {holder}; "
            "wait for it to end or choose another --run"
        )

    def _lose(self, entry: Entry | None) -> StoreError:
        by = f"{entry.holder} took it over at {entry.at}" if entry else "another driver took it over"
        self.lost = self.lost or (
            f"{self.run}: lost to another driver: {by}, because this one had not renewed its lease for "
            f"{STALE_S:g} s (it was suspended, or cut off from the store); this driver ends and writes "
            "nothing more to the run, the other continues with the trials that are not committed"
        )
        return StoreError(self.lost)

    def _refuse(self) -> None:
        if self.lost:
            raise StoreError(self.lost)


def holder_at_url(files: Files) -> Heartbeat | None:
    """Return the last heartbeat of the run's holder, which may have been killed; None if it is not held."""
    _, last = Ledger(files).last()
    if last is None or last.kind == "released":
        return None
    return _read_heartbeat(files, last.token) or Heartbeat(last.holder, last.token, renewed_at=last.at)


@contextmanager
def leased(run: str, say: Callable[[str], None] = lambda line: None) -> Iterator[Lease]:
    """Hold the run for the duration. If another driver takes it over, this process gets SIGINT (Ctrl-C).

    Raises `StoreError` if another driver holds it, or has taken it over during the block; the message says
    so. A run that may be held by a killed driver is watched for `STALE_S`; `say` announces that.
    """
    lease = Lease(run)
    lease.take(say)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(lease, ended), daemon=True)
    renewing.start()
    with restoring_retry_limit():
        try:
            yield lease
        except BaseException as error:
            if lease.lost and not isinstance(error, StoreError):
                raise StoreError(lease.lost) from error
            raise
        finally:
            limit_retries(EXIT_S)
            ended.set()
            renewing.join()
            with suppress(StoreError):
                lease.release()
    if lease.lost:
        raise StoreError(lease.lost)


def _renew(lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(RENEW_S):
        try:
            lease.renew()
        except StoreError as error:
            if lease.lost:
                logging.getLogger(__name__).error("%s", lease.lost)
                os.kill(os.getpid(), signal.SIGINT)
                return
            logging.getLogger(__name__).warning("%s: not renewed: %s", lease.run, error)


def _read_heartbeat(files: Files, token: str) -> Heartbeat | None:
    try:
        content = files.read(f"{FOLDER}/{token}")
    except FileNotFoundError:
        return None
    with suppress(ValueError, TypeError):
        return Heartbeat(**json.loads(content))
    return Heartbeat("unknown", token)  # of another version


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
