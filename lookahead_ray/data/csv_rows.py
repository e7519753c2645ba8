"""Rows of CSV and TSV files with a header; the character between cells is given or found.

A line of blank cells is skipped, as is Excel's first line `sep=;`. Columns without a name are left out; those
at the end, which Excel writes behind the last used column, must be empty. Where cells in quotes stand behind
a space, spaces before cells are left out; where tabs divide cells and quotes can't be around them, quotes are
text.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO

from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.data.encodings import OnPosition, find_encoding, open_text
from lookahead_ray.data.locations import LocalData
from lookahead_ray.data.notes import note
from lookahead_ray.data.rows import OnFault, quote, raise_fault
from lookahead_ray.data.streaming_json import MAX_ROW_CHARACTERS
from lookahead_ray.errors import DataError

COMMA, TAB = ",", "\t"
NAMES = {";": "semicolons", TAB: "tabs", "|": "|"}

_SAMPLE_RECORDS = 200
_SAMPLE_LINES = 1000
_SAMPLE_CHARACTERS = 1 << 22
_MARK = "\ufeff"
_QUOTED = re.compile(r'\s*"[^"]*"\s*').fullmatch

Cells = tuple[int, list[str]]
"""The line on which a record begins, and its cells."""


@dataclass(frozen=True)
class _Dialect:
    delimiter: str
    spaced: bool = False  # whether spaces before cells are left out
    quoted: bool = True  # whether quotes around a cell are no part of it

    @property
    def options(self) -> dict[str, Any]:
        """Return the arguments of `csv.reader`."""
        quoting = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        return {
            "delimiter": self.delimiter,
            "skipinitialspace": self.spaced,
            "quoting": quoting,
            "strict": True,
        }


def read_csv(
    data: LocalData, suffix: str, form: CsvFormat, position: OnPosition, on_fault: OnFault = raise_fault
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield location and cells by column of each record; `position` is as for `open_text`.

    Args:
        on_fault: called for a record that does not fit the header.

    Raises:
        DataError: the file has no such encoding, is not CSV, or a record does not fit the header and
            `on_fault` raises; the message names the line.
    """
    encoding = find_encoding(data, form.encoding)
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_CHARACTERS))
    named, sample = _read_sample(data, encoding)
    delimiter = form.delimiter or named or _find_delimiter(sample, suffix, data.name)
    quoted = form.quotes if form.quotes is not None else not _has_text_quotes(sample, delimiter)
    if not quoted and form.quotes is None:
        note(f"{data.name}: quotes are read as text; csv.quotes (--quotes) changes that")
    spaced = quoted and _has_spaced_quotes(sample, delimiter)
    if spaced:
        note(f"{data.name}: spaces before cells are left out, as quotes follow them")
    with open_text(data, encoding, position=position) as stream:
        yield from _rows(
            _records(stream, data.name, _Dialect(delimiter, spaced, quoted)), data.name, on_fault
        )


def _rows(records: Iterator[Cells], name: str, on_fault: OnFault) -> Iterator[tuple[str, dict[str, str]]]:
    line, header = next(records, (1, []))
    header = [column.removeprefix(_MARK) if index == 0 else column for index, column in enumerate(header)]
    named = len(header)
    while named and not header[named - 1].strip():
        named -= 1
    places = [index for index, column in enumerate(header) if column.strip()]
    columns = [header[index] for index in places]
    repeated = next((column for column in columns if columns.count(column) > 1), None)
    if repeated is not None:
        raise DataError(f"{name}: line {line}: header names must differ, got {repeated!r} twice")
    plain = len(places) == named
    for line, cells in records:
        if len(cells) < named or any(cell.strip() for cell in cells[named:]):
            on_fault(f"{name}: line {line}", _unlike_header(f"{name}: line {line}", named, cells))
            continue
        chosen = cells[:named] if plain else [cells[index] for index in places]
        yield f"{name}: line {line}", dict(zip(columns, chosen, strict=True))


def _unlike_header(where: str, named: int, cells: list[str]) -> DataError:
    rule = f"must have {named} cells as the header has"
    return DataError(f"{where}: {rule}, got {len(cells)}: {quote(cells)}")


def _records(stream: TextIO, name: str, dialect: _Dialect) -> Iterator[Cells]:
    """Yield the records that are not blank."""
    lines: Iterator[str] = iter(stream)
    first = next(lines, "")
    skipped = 1 if _separator(first) else 0
    lines = lines if skipped else chain([first], lines)
    reader = csv.reader(lines, **dialect.options)
    start = skipped + 1
    try:
        for cells in reader:
            line, start = start, skipped + reader.line_num + 1
            if any(cells) and any(cell.strip() for cell in cells):
                yield line, cells
    except csv.Error as error:
        text = dialect.quoted and dialect.delimiter == TAB
        advice = "; csv.quotes: false (--no-quotes) reads quotes as text" if text else ""
        raise DataError(f"{name}: line {start}: must be valid CSV, got {error}{advice}") from error


def _separator(line: str) -> str | None:
    """Return the character that Excel's line `sep=;` names."""
    text = line.removeprefix(_MARK).strip('\r\n"')
    return text[4] if len(text) == 5 and text.lower().startswith("sep=") else None


def _read_sample(data: LocalData, encoding: str) -> tuple[str | None, "_Sample"]:
    """Return the character that Excel's line `sep=;` names, if there is one, and the first lines after it."""
    with open_text(data, encoding) as stream:
        first = stream.readline(_SAMPLE_CHARACTERS)
        named = _separator(first)
        return named, _Sample(stream if named else chain([first], stream))


def _find_delimiter(sample: "_Sample", suffix: str, name: str) -> str:
    """Return the character that divides header and first records into equally many cells.

    A comma is preferred (in a TSV file a tab), except that semicolons and tabs win where they give as many
    cells: a header seldom has them in its names. Whatever is not the suffix's own is said.
    """
    usual, order = ("\t", "\t;,|") if suffix == ".tsv" else (COMMA, ";\t,|")
    chosen = usual
    for share in (1.0, 0.9, 0.0):  # of the records that must fit the header
        counts = {each: _columns(sample, _Dialect(each), share) for each in order}
        if (best := max(counts.values())) > 1:
            chosen = next(each for each in order if counts[each] == best)
            break
    if chosen != usual:
        note(f"{name}: cells are divided by {NAMES.get(chosen, 'commas')}; csv.delimiter changes that")
    return chosen


def _has_spaced_quotes(sample: "_Sample", delimiter: str) -> bool:
    """Return whether quotes around cells stand behind a space, as in `"a", "b"`, and all records fit then.

    Otherwise these quotes would be part of the texts.
    """
    if not any(f'{delimiter} "' in line for line in sample.lines):
        return False
    inside = [
        sum(
            cell.startswith(' "')
            for cells in _sample_records(sample, _Dialect(delimiter, spaced))[0]
            for cell in cells
        )
        for spaced in (True, False)
    ]  # inside of quotes they are text
    return inside[0] < inside[1] and _columns(sample, _Dialect(delimiter, spaced=True), 1.0) > 1


def _has_text_quotes(sample: "_Sample", delimiter: str) -> bool:
    """Return whether quotes around cells can't be meant, as in `"No," he said<tab>b` in a file with tabs."""
    text, most = _Dialect(delimiter, quoted=False), _SAMPLE_LINES
    if delimiter != TAB or not any('"' in line for line in sample.lines):
        return False
    if _columns(sample, text, 1.0, most) < 2 or all(map(_QUOTED, _sample_records(sample, text, 1)[0][0])):
        return False
    if not _columns(sample, _Dialect(delimiter), 1.0, most):
        return True
    # both fit: quotes that open in one record and close in a later one would hide those between
    records = [len(_sample_records(sample, one, most)[0]) for one in (text, _Dialect(delimiter))]
    return records[0] > records[1]


class _Sample:
    """The first lines of a file; `whole` tells whether there are no more."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines: list[str] = []
        self.whole = True
        left = _SAMPLE_CHARACTERS
        for line in lines:
            self.lines.append(line)
            left -= len(line)
            if left < 0 or len(self.lines) > _SAMPLE_LINES:
                self.whole = False
                return


def _sample_records(
    sample: _Sample, dialect: _Dialect, most: int = _SAMPLE_RECORDS
) -> tuple[list[list[str]], bool]:
    """Return the first records, and whether they are all valid; those from a fault on are left out.

    The last record of a sample may be cut, which is no fault.
    """
    records: list[list[str]] = []
    reader = csv.reader(sample.lines, **dialect.options)
    try:
        records.extend(islice(filter(any, reader), most))
    except csv.Error:
        return records, not sample.whole and reader.line_num >= len(sample.lines)
    return records, True


def _columns(sample: _Sample, dialect: _Dialect, share: float, most: int = _SAMPLE_RECORDS) -> int:
    """Return the number of columns if at least `share` of the sample's records fit the header, else 0."""
    records, valid = _sample_records(sample, dialect, most)
    if not valid and share:
        return 0
    if len(records) > 1 and len(records) < most and not sample.whole:
        records.pop()  # it may be cut
    if not records:
        return 0
    named = len(records[0])
    while named and not records[0][named - 1].strip():
        named -= 1
    fitting = sum(len(cells) >= named and not any(cells[named:]) for cells in records)
    return named if fitting >= share * len(records) else 0
