"""The ledger of a run at a URL: which driver holds the run, and what it commits, in one order.

    <run>/ledger/00000001.json    the first entry; each entry is created once and never changed or removed
    <run>/ledger/probe            shows that the store refuses to create a file twice

A driver takes the run, commits a trial and releases the run by creating the entry after the last one that it
knows. If another driver has created that entry, the run is lost to it. The store decides this in the request
itself, so a driver that was suspended for any time before the request can't commit after another took over.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files

FOLDER = "ledger"
PROBE = f"{FOLDER}/probe"
_NAME = re.compile(rf"{FOLDER}/(\d{{8}})\.json")


@dataclass(frozen=True, slots=True)
class Pending:
    """A commit file that an entry announces; the driver creates it right after the entry."""

    name: str  # relative to the run
    content: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The content of `<run>/ledger/<number>.json`."""

    kind: Literal["taken", "commit", "released"]
    token: str  # of the driver's lease
    holder: str  # "process 12 on HOST"
    at: str  # ISO 8601, UTC, by the driver's clock
    pending: Pending | None = None
    """The commit of this entry. A "taken" entry repeats that of the entry before, whose driver may have been
    killed between the two."""


class Ledger:
    """The entries of one run. Methods raise `StoreError` if the store fails or an entry is malformed."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def last(self) -> tuple[int, Entry | None]:
        """Return the number and content of the last entry; 0 and None without any."""
        names = (_NAME.fullmatch(name) for name in self._files.sizes(FOLDER))
        number = max((int(name[1]) for name in names if name), default=0)
        return number, self.read(number) if number else None

    def read(self, number: int) -> Entry | None:
        """Return an entry; None if it does not exist."""
        name = _name(number)
        try:
            content = self._files.read(name)
        except FileNotFoundError:
            return None
        try:
            fields = json.loads(content)
            pending = fields["pending"] and Pending(**fields["pending"])
            return Entry(**{**fields, "pending": pending})
        except (ValueError, TypeError, KeyError) as error:
            where = f"{self._files.run}/{name}"
            raise StoreError(f"{where}: must be an entry as JSON, got {content[:80]!r}") from error

    def after(self, number: int) -> Iterator[tuple[int, Entry]]:
        """Yield the entries after `number`, in order; there are no gaps."""
        while (entry := self.read(number + 1)) is not None:
            number += 1
            yield number, entry

    def create(self, number: int, entry: Entry) -> bool:
        """Create an entry; return False if that number exists with another content."""
        return self._files.create(_name(number), json.dumps(asdict(entry), indent=2).encode())

    def probe(self) -> None:
        """Raise `StoreError` if the store replaces a file that a request wants to create."""
        self._files.create(PROBE, b"1")
        if self._files.create(PROBE, b"2"):
            raise StoreError(
                f"{self._files.run}: the store must honour conditional writes (If-None-Match), by which one "
                "driver at a time is admitted to a run, but it replaced a file in spite of the condition; "
                "use a store that honours them, or a directory"
            )


def _name(number: int) -> str:
    return f"{FOLDER}/{number:08d}.json"
