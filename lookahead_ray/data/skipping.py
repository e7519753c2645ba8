"""Rows that can't be used: left out and counted, or refused."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lookahead_ray.config.task import SkipRows
from lookahead_ray.data.notes import note
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.rows import Row, is_blank
from lookahead_ray.errors import DataError

Item = TypeVar("Item")

FAULTY = "that can't be used"
_SHOWN = 3  # places that a remark names


class BlankError(DataError):
    """A row has no question or no answer; `lacks` says which."""

    def __init__(self, message: str, lacks: str) -> None:
        super().__init__(message)
        self.lacks = lacks


def filled_text(row: Row, field: str) -> str:
    """Return `row.text(field)`. Raises BlankError if it is blank or null, DataError as `Row.text`."""
    try:
        return row.text(field)
    except DataError as error:
        if row.has(field) and is_blank(row.value(field)):
            raise BlankError(str(error), field) from error
        raise


class UsableRows:
    """Conversion of a source's rows, which leaves out those that `skip` allows and says how many.

    Args:
        source: its name, for messages.
        fields: fields of which each must be in some row.

    Attributes:
        notes: further remarks, with how many rows each is about.
    """

    def __init__(self, source: str, skip: SkipRows, fields: Sequence[str] = ()) -> None:
        self.source, self.skip = source, skip
        self.notes: dict[str, int] = {}
        self._unseen = dict.fromkeys(fields)

    def map(self, rows: Iterable[Row], convert: Callable[[Row], Item]) -> list[Item]:
        """Return `convert` of each row that can be used.

        Raises:
            DataError: `convert` or the reader raises it for a row that may not be left out, a field is in no
                row, or no row can be used.
        """
        used: list[Item] = []
        left_out: dict[str, list[tuple[str, DataError]]] = {}
        first: Row | None = None
        if self.skip == "faulty" and isinstance(rows, RowReader):
            rows.on_fault = lambda where, error: left_out.setdefault(FAULTY, []).append((where, error))
        for row in rows:
            first = first or row
            for field in [field for field in self._unseen if row.has(field)]:
                del self._unseen[field]
            try:
                used.append(convert(row))
            except BlankError as error:
                if self.skip == "none":
                    raise
                left_out.setdefault(f"without {_article(error.lacks)}", []).append((row.where, error))
            except DataError as error:
                if self.skip != "faulty":
                    raise
                left_out.setdefault(FAULTY, []).append((row.where, error))
        if self._unseen and first is not None:
            raise first.missing(next(iter(self._unseen)))
        for what, errors in left_out.items():
            self._say(what, errors, len(used))
        for text, count in self.notes.items():
            note(f"{self.source}: {text}: {count:,}")
        return used

    def _say(self, what: str, errors: Sequence[tuple[str, DataError]], used: int) -> None:
        if not used:
            raise errors[0][1]
        places = ", ".join(where.removeprefix(f"{self.source}: ") for where, _ in errors[:_SHOWN])
        more = ", …" if len(errors) > _SHOWN else ""
        rows = "row" if len(errors) == 1 else "rows"
        note(f"{self.source}: {len(errors):,} {rows} {what} left out ({places}{more})")


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
