"""Streaming reader of JSON and JSONL files: memory holds one row and a piece of a file, whatever its size.

A row is a JSON object: a line of JSONL, or an element of a JSON file's only array:

    {"question": "Ann had 3 pens and got 4 more. How many has she?", "answer": "3 + 4 = 7"}

Blank lines of JSONL are skipped, but count in line numbers.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

from lookahead_ray.data.rows import OnFault, quote, raise_fault
from lookahead_ray.errors import DataError

JsonFormat = Literal["json", "jsonl"]
JsonRow = dict[str, Any]
Located = tuple[str, JsonRow]  # ("train.jsonl: line 3", its row)

PIECE_CHARACTERS = 1 << 20  # read at once from a JSON file
MAX_ROW_CHARACTERS = 1 << 26
"""Maximum length of one row, which must fit in memory; longer rows are refused."""

_NEAR_END = 16  # characters; an error this near to the end of a piece may be due to the cut
_SHOWN = 60  # characters of the file, in a message
_SPACES = re.compile(r"[ \t\n\r]*")


def format_of(path: Path) -> JsonFormat:
    """Return the format by the suffix. Raises DataError unless it is .json or .jsonl."""
    match path.suffix.lower():
        case ".json":
            return "json"
        case ".jsonl":
            return "jsonl"
    raise DataError(f"{path}: suffix: must be .json or .jsonl, got {path.suffix!r}")


def read_json_rows(
    stream: TextIO, file: str, form: JsonFormat, piece_characters: int = PIECE_CHARACTERS
) -> Iterator[Located]:
    """Yield each row with its location, in order; bytes that are no UTF-8 must be surrogates in `stream`.

    Raises:
        DataError: a row is no JSON object, is no UTF-8 or is longer than `MAX_ROW_CHARACTERS`; the message
            names file and line (or element, from 1).
    """
    for where, value in read_json_values(stream, file, form, piece_characters):
        if not isinstance(value, dict):
            raise DataError(f"{where}: must be a JSON object, got {quote(value)}")
        yield where, value


def read_json_values(
    stream: TextIO,
    file: str,
    form: JsonFormat,
    piece_characters: int = PIECE_CHARACTERS,
    on_fault: OnFault = raise_fault,
) -> Iterator[tuple[str, object]]:
    """Yield as `read_json_rows`, but a line may hold any JSON value, and an element of an array a list.

    Args:
        on_fault: called for a line that can't be read; faults of an array are raised.
    """
    if form == "jsonl":
        return _lines(stream, file, on_fault)
    return _Array(stream, file, piece_characters).values()


def parse_lines(
    lines: Iterable[str], file: str, on_fault: OnFault = raise_fault
) -> Iterator[tuple[str, str, object]]:
    """Yield location, text and JSON value of each line that is not blank; a value need not be an object.

    Raises:
        DataError: a line is no JSON value, unless `on_fault` returns.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{file}: line {number}"
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError: bad JSON and giant integers
            fault = DataError(f"{where}: must be a JSON object, got {quote(line.strip())}")
            fault.__cause__ = error
            on_fault(where, fault)
        else:
            yield where, line, value


def _lines(stream: TextIO, file: str, on_fault: OnFault) -> Iterator[tuple[str, object]]:
    for where, line, value in parse_lines(_bounded_lines(stream, file), file, on_fault):
        try:
            _check_utf8(line, where)
        except DataError as error:
            on_fault(where, error)
        else:
            yield where, value


def _bounded_lines(stream: TextIO, file: str) -> Iterator[str]:
    number = 0
    while line := stream.readline(MAX_ROW_CHARACTERS + 1):
        number += 1
        if len(line) > MAX_ROW_CHARACTERS:
            raise _too_long(f"{file}: line {number}")
        yield line


class _Array:
    """Parser of a JSON file's array. `text[at:]` is the part of the file that is read and not yet used."""

    def __init__(self, stream: TextIO, file: str, piece_characters: int) -> None:
        self.stream, self.file, self.piece = stream, file, piece_characters
        self.text, self.at = "", 0
        self.decode = json.JSONDecoder().raw_decode

    def values(self) -> Iterator[tuple[str, object]]:
        if self._peek() != "[":
            raise DataError(f"{self.file}: must hold one JSON array of objects, got {self._here()}")
        self.at += 1
        number = 0
        more = self._peek() != "]"
        while more:
            number += 1
            where = f"{self.file}: element {number}"
            yield where, self._element(where)
            more = self._peek() == ","
            if more:
                self.at += 1
            elif self._peek() != "]":
                raise DataError(f"{where}: a comma or the array's end must follow, got {self._here()}")
        self.at += 1
        if self._peek():
            raise DataError(f"{self.file}: nothing may follow the array, got {self._here()}")

    def _element(self, where: str) -> object:
        """Parse one element, trying pieces of doubling size, so all tries cost some multiple of the last."""
        if self._peek() not in ("{", "["):  # the end of a number could not be seen at the end of a piece
            raise DataError(f"{where}: must be a JSON object, got {self._here()}")
        size = self.piece
        while True:
            try:
                value, end = self.decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if len(self.text) - self.at > MAX_ROW_CHARACTERS:
                    raise _too_long(where) from error
                if not (self._may_be_cut(error) and self._read(size)):
                    near = quote(self.text[max(error.pos - 20, 0) : error.pos + 20])
                    raise DataError(f"{where}: must be valid JSON ({error.msg}), got {near}") from error
                size = min(2 * size, MAX_ROW_CHARACTERS)
            except (ValueError, RecursionError) as error:  # giant integers, deep nesting
                raise DataError(f"{where}: must be readable JSON ({error}), got {self._here()}") from error
            else:
                start, self.at = self.at, end
                _check_utf8(self.text[start:end], where)
                return value

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or len(self.text) - error.pos < _NEAR_END

    def _peek(self) -> str:
        """Return the next unused character that is no space; empty at the end of the file."""
        while True:
            self.at = _SPACES.match(self.text, self.at).end()  # type: ignore[union-attr]  # matches always
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._read(self.piece):
                return ""

    def _read(self, characters: int) -> bool:
        piece = self.stream.read(characters)
        self.text, self.at = self.text[self.at :] + piece, 0
        return bool(piece)

    def _here(self) -> str:
        if not self._peek():
            return "the end of the file"
        if len(self.text) - self.at < _SHOWN:
            self._read(_SHOWN)
        return quote(self.text[self.at : self.at + _SHOWN])


def _check_utf8(text: str, where: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            byte = ord(text[error.start]) - 0xDC00
            raise DataError(f"{where}: must be UTF-8, got the byte 0x{byte:02x}") from error


def _too_long(where: str) -> DataError:
    return DataError(f"{where}: must have at most {MAX_ROW_CHARACTERS:,} characters, got more")
