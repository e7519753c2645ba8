"""Rows of files, read by suffix: JSON (a list), JSONL, CSV or TSV with a header, Parquet.

A place is a path, a folder or pattern of files, or an fsspec URL (see `locations`); the suffix may be
followed by that of a compression, as in `rows.jsonl.gz`. A `.json` file that does not begin with "[" is read
as JSONL, since many published data sets are stored so. Blank lines are skipped, but count in line numbers.
Rows are read one by one: memory holds a piece of a file, whatever its size.
Every function raises `DataError`, naming the file, the line and the value, for a file that is missing, empty,
not in its encoding or malformed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.data.csv_rows import read_csv
from lookahead_ray.data.encodings import UTF8, OnPosition, find_encoding, find_mark, open_text
from lookahead_ray.data.locations import DataFile, LocalData, find_files, on_this_machine
from lookahead_ray.data.rows import OnFault, Row, UnreadableValue, quote, raise_fault
from lookahead_ray.data.streaming_json import JsonFormat, read_json_values
from lookahead_ray.errors import DataError

Located = tuple[str, object]
"""A value's location, for messages, and the value."""

PARQUET_ROWS = 1024  # read at once
_SHORT = 1024  # bytes; a longer file is not blank

READERS: tuple[str, ...] = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""File suffixes in lower case that can be read."""

TABLES = {".xlsx": "save it as CSV", ".xls": "save it as CSV", ".ods": "save it as CSV", ".zip": "unpack it"}
"""File suffix -> what to do with a file that can't be read."""


class RowReader:
    """Reader of all rows at a place, in order; iterate over it once.

    Args:
        place: path, folder, pattern or URL.
        csv_format: of CSV and TSV files; what it leaves open is found.
        json_format: overrides the suffix.
        other_suffixes: format of files with an unknown suffix; None refuses them.
        may_be_empty: whether a place without rows is valid.

    Attributes:
        on_fault: called for a row that can't be read where the rows after it can: a line that is no JSON
            object, or a record with more or fewer cells than the header.

    Raises:
        DataError: nothing is there; further ones while it is iterated, see the module.
    """

    def __init__(
        self,
        place: Path | str,
        csv_format: CsvFormat | None = None,
        json_format: JsonFormat | None = None,
        other_suffixes: JsonFormat | None = None,
        may_be_empty: bool = False,
    ) -> None:
        self.place = str(place)
        self.csv_format = csv_format or CsvFormat()
        self.files = find_files(place, READERS)
        self._suffixes = [_suffix(file, json_format, other_suffixes) for file in self.files]
        self.on_fault: OnFault = raise_fault
        self._may_be_empty = may_be_empty
        self._finished = 0
        self._position: Callable[[], int] = lambda: 0

    def __iter__(self) -> Iterator[Row]:
        for where, value in self.values():
            if not isinstance(value, dict):
                self.on_fault(where, DataError(f"{where}: must be a JSON object, got {quote(value)}"))
                continue
            yield Row(where, value)

    @property
    def total_bytes(self) -> int | None:
        """Return the size of the stored files; None if some are at a URL."""
        if any(file.fs is not None for file in self.files):
            return None
        return sum(os.path.getsize(file.path) for file in self.files)

    @property
    def read_bytes(self) -> int:
        """Return how many bytes of the stored files are read."""
        return self._finished + self._position()

    def values(self) -> Iterator[Located]:
        """Yield location and value of each row; values of JSON files need not be objects."""
        rows = 0

        def on_fault(where: str, error: DataError) -> None:
            nonlocal rows
            rows += 1
            self.on_fault(where, error)

        for file, suffix in zip(self.files, self._suffixes, strict=True):
            with on_this_machine(file, decompress=suffix == ".parquet") as data:
                if not _is_blank(data):
                    for located in self._values(data, suffix, on_fault):
                        rows += 1
                        yield located
                self._finished += data.size
                self._position = lambda: 0
        if not rows and not self._may_be_empty:
            raise DataError(f"{self.place}: path: must hold at least one row, got {self._finished} bytes")

    def _values(self, data: LocalData, suffix: str, on_fault: OnFault) -> Iterator[Located]:
        if suffix == ".parquet":
            return _parquet(data)
        if suffix in (".csv", ".tsv"):
            return read_csv(data, suffix, self.csv_format, self._set_position, on_fault)
        return _json(data, suffix, self._set_position, on_fault)

    def _set_position(self, position: Callable[[], int]) -> None:
        self._position = position


def read_rows(place: Path | str, csv_format: CsvFormat | None = None) -> list[Row]:
    """Load all rows at a place, in order, at least one. Raises DataError, see the module."""
    return list(RowReader(place, csv_format))


def read_jsonl(place: Path | str) -> list[Row]:
    """Load as `read_rows`, where a file with an unknown suffix is JSON Lines."""
    return list(RowReader(place, other_suffixes="jsonl"))


def read_values(place: Path | str) -> list[Located]:
    """Load values as `read_rows` does, from JSON files whose values need not be objects."""
    return list(RowReader(place).values())


def read_lines(place: Path | str, encoding: str | None = None) -> list[tuple[str, str]]:
    """Return location and text of each line that is not blank, without white space around it."""
    lines: list[tuple[str, str]] = []
    for file in find_files(place, (".txt",)):
        with on_this_machine(file) as data, open_text(data, find_encoding(data, encoding)) as stream:
            for number, line in enumerate(stream, 1):
                if text := line.strip().removeprefix("\ufeff"):
                    lines.append((f"{file.name}: line {number}", text))
    return lines


def _suffix(file: DataFile, json_format: JsonFormat | None, other: JsonFormat | None) -> str:
    suffix = f".{json_format}" if json_format else file.suffix
    if suffix not in READERS and other:
        return f".{other}"
    if suffix not in READERS:
        advice = TABLES.get(suffix)
        rule = f"must end in {', '.join(READERS)}"
        raise DataError(f"{file.name}: path: {rule}, got {suffix!r}{f' ({advice})' if advice else ''}")
    return suffix


def _is_blank(data: LocalData) -> bool:
    with data.open() as (content, _):
        return len(head := content.read(_SHORT)) < _SHORT and not head.strip()


def _json(data: LocalData, suffix: str, position: OnPosition, on_fault: OnFault) -> Iterator[Located]:
    encoding = find_mark(data) or UTF8
    begins = _beginning(data, encoding) if suffix == ".json" else ""
    if begins.split("\n")[0].strip() == "{":
        rule = "must hold a list of rows, or one object per line"
        raise DataError(f"{data.name}: path: {rule}, got one object over several lines")
    lines = not begins.startswith("[")
    # Bytes that are no UTF-8 become surrogates, so that the message can name the row.
    with open_text(data, encoding, "surrogateescape", "\n" if lines else "", position) as stream:
        form: JsonFormat = "jsonl" if lines else "json"
        yield from read_json_values(stream, data.name, form, on_fault=on_fault)


def _beginning(data: LocalData, encoding: str) -> str:
    """Return the first characters that are no white space."""
    with open_text(data, encoding, "surrogateescape") as stream:
        while text := stream.read(1 << 12):
            if text := text.lstrip():
                return text
    return ""


def _parquet(data: LocalData) -> Iterator[Located]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(data.path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                for row in _batch_rows(batch):
                    number += 1
                    yield f"{data.name}: row {number}", row
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{data.name}: path: must be a Parquet file, got {quote(str(error))}") from error


def _batch_rows(batch: Any) -> list[dict[str, object]]:
    """Return the rows of a batch of a Parquet file. A value that Python lacks concerns its own field only."""
    try:
        return list(batch.to_pylist())
    except Exception:  # OverflowError for a date after 9999, others for time zones and damaged text
        columns = [[_python_value(value) for value in column] for column in batch.columns]
        return [dict(zip(batch.schema.names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _python_value(value: Any) -> object:
    """Return the value of an Arrow scalar; dates that Python lacks as text."""
    import pyarrow

    try:
        return value.as_py()
    except Exception as error:  # as above
        if pyarrow.types.is_timestamp(value.type) or pyarrow.types.is_date(value.type):
            with suppress(pyarrow.ArrowException):
                return str(value.cast(pyarrow.string()).as_py()).replace(" ", "T")
        return UnreadableValue(str(value.type), str(error))
