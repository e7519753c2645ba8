"""Rows of local files, read by file suffix: JSON (a list), JSONL, CSV with a header, Parquet.

A `.json` file that does not begin with "[" is read as JSONL, since many published data sets are stored so.
Blank lines of JSONL and CSV are skipped, but count in line numbers.
Every function raises `DataError`, naming the file, the line and the value, for a file that is missing, empty,
not UTF-8 or malformed.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lookahead_ray.data.rows import Row, quote
from lookahead_ray.data.streaming_json import parse_lines
from lookahead_ray.errors import DataError

Located = tuple[str, object]
"""A value's location, for messages, and the value."""

_GAP = re.compile(r"[ \t\r\n]*")


def read_rows(path: Path | str) -> list[Row]:
    """Load all rows of a local file, in file order, at least one. Raises DataError, see the module."""
    return [_row(where, value) for where, value in read_values(path)]


def read_jsonl(path: Path | str) -> list[Row]:
    """Load all rows of a JSON Lines file, whatever its suffix. Raises DataError, see the module."""
    path = Path(path)
    return [_row(where, value) for where, value in _jsonl(path, _content(path))]


def read_values(path: Path | str) -> list[Located]:
    """Load values as `read_rows` does, from JSON files whose values need not be objects."""
    path = Path(path)
    content = _content(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: path: must end in {', '.join(READERS)}, got {path.suffix!r}")
    values = list(reader(path, content))
    if not values:
        raise DataError(f"{path}: path: must hold at least one row, got {len(content)} bytes")
    return values


def _row(where: str, value: object) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{where}: must be a JSON object, got {quote(value)}")
    return Row(where, value)


def _content(path: Path) -> bytes:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing there"
        raise DataError(f"{path}: path: must be an existing file, got {found}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: path: must be readable, got {error.strerror}") from error
    if not content.strip():
        raise DataError(f"{path}: path: must hold at least one row, got {len(content)} bytes")
    return content.removeprefix(codecs.BOM_UTF8)


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        bad = quote(content[error.start : error.start + 8])
        raise DataError(f"{path}: line {line}: must be UTF-8, got {bad}") from error


def _json(path: Path, content: bytes) -> Iterator[Located]:
    if not content.lstrip().startswith(b"["):
        yield from _jsonl(path, content)
        return
    text, decoder = _text(path, content), json.JSONDecoder()
    position = text.index("[") + 1
    line, counted = 1, 0
    while True:
        position = _after_gap(text, position)
        if text[position : position + 1] == "]":
            break
        line, counted = line + text.count("\n", counted, position), position
        where = f"{path}: line {line}"
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{where}: must be a JSON value, got {quote(text[position : position + 90])}"
            ) from error
        yield where, value
        position = _after_gap(text, position)
        if text[position : position + 1] == ",":
            position += 1
        elif text[position : position + 1] != "]":
            rest = quote(text[position : position + 90])
            raise DataError(f"{where}: must be followed by a comma or the list's end, got {rest}")
    if text[position + 1 :].strip():
        raise DataError(
            f"{path}: line {line}: must end with the list, got {quote(text[position + 1 :].strip())}"
        )


def _after_gap(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return match.end() if match else position


def _jsonl(path: Path, content: bytes) -> Iterator[Located]:
    # Split at "\n" alone: str.splitlines would also cut at U+2028, which JSON allows inside a string.
    for where, _, value in parse_lines(_text(path, content).split("\n"), str(path)):
        yield where, value


def _csv(path: Path, content: bytes) -> Iterator[Located]:
    reader = csv.reader(io.StringIO(_text(path, content), newline=""), strict=True)
    header: list[str] = []
    start = 1
    try:
        for cells in reader:
            where, start = f"{path}: line {start}", reader.line_num + 1
            if cells and not header:
                header = cells
                repeated = next((name for name in header if header.count(name) > 1), None)
                if repeated is not None:
                    raise DataError(f"{where}: header names must differ, got {repeated!r} twice")
            elif cells:
                if len(cells) != len(header):
                    rule = f"must have {len(header)} cells as the header has"
                    raise DataError(f"{where}: {rule}, got {len(cells)}: {quote(cells)}")
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: line {start}: must be valid CSV, got {error}") from error


def _parquet(path: Path, content: bytes) -> Iterator[Located]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(io.BytesIO(content)).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: path: must be a Parquet file, got {quote(str(error))}") from error
    for number, row in enumerate(rows, 1):
        yield f"{path}: row {number}", row


READERS: dict[str, Callable[[Path, bytes], Iterator[Located]]] = {
    ".json": _json,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}
"""File suffix in lower case -> reader."""
