"""The encoding of a text file: as given, as its byte order mark says, or as its bytes allow."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from lookahead_ray.data.locations import LocalData
from lookahead_ray.data.notes import note
from lookahead_ray.data.rows import quote
from lookahead_ray.errors import DataError

UTF8 = "utf-8-sig"
WINDOWS = "cp1252"
MARKS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order mark -> encoding; those of UTF-32 come first, as UTF-16's is the beginning of one of them."""

OnPosition = Callable[[Callable[[], int]], None]
"""Callback that takes a function for the number of bytes read so far."""

_BLOCK = 1 << 20  # bytes
_HEAD = 4096  # bytes
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_HIGH = re.compile(rb"[\x80-\xff]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]{3,}")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_SYMBOL_IN_WORD = re.compile(
    rb"[A-Za-z][\x80\x82-\x89\x8b\x93-\x95\x98\x99\x9b\xa1-\xa9\xab\xac\xae-\xb4\xb6\xb8\xb9\xbb-\xbf][a-z]"
)
"""A letter, a symbol of Windows-1252, a letter: in other encodings of Europe these symbols are letters."""


@contextmanager
def open_text(
    data: LocalData,
    encoding: str,
    errors: str = "strict",
    newline: str = "",
    position: OnPosition = lambda position: None,
) -> Iterator[TextIO]:
    """Yield the file's text, with line ends as they are.

    Args:
        newline: "" ends a line at any line end, a line end only there.
        position: called with a function that returns how many bytes of the stored file are read.

    Raises:
        DataError: as `LocalData.open`, and for bytes that are no text in `encoding`.
    """
    with data.open() as (content, raw):
        position(raw.tell)
        stream = io.TextIOWrapper(content, encoding=encoding, errors=errors, newline=newline)
        try:
            yield stream
        except UnicodeError as error:
            bad = quote(str(error))
            if isinstance(error, UnicodeDecodeError):
                bad = quote(error.object[error.start : error.start + 8])
            raise DataError(f"{data.name}: path: must be {encoding} text, got {bad}") from error


def find_encoding(data: LocalData, given: str | None) -> str:
    """Return the encoding of a text table. Raises DataError if it is none that can be found."""
    if given is not None:
        return UTF8 if given == "utf-8" else given
    marked = find_mark(data)
    if marked:
        return marked
    fault = _utf8_fault(data)
    if fault is None:
        return UTF8
    line, bad = fault
    if not _is_windows(data):
        raise DataError(
            f"{data.name}: line {line}: must be UTF-8, got {bad}; name the encoding with csv: {{encoding: …}}"
        )
    note(f"{data.name}: read as Windows-1252, since line {line} is no UTF-8; csv.encoding changes that")
    return WINDOWS


def find_mark(data: LocalData) -> str | None:
    """Return the encoding that the first bytes show, by their mark or by the zeros of UTF-16; or None."""
    with data.open() as (content, _):
        head = content.read(_HEAD)
    marked = next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None)
    if marked is None and len(head) >= 4:
        first, second = head[0::2].count(0), head[1::2].count(0)
        half = len(head) // 2
        if max(first, second) > 0.3 * half and min(first, second) < 0.05 * half:
            marked = "utf-16-be" if first > second else "utf-16-le"
    if marked not in (None, UTF8):
        note(f"{data.name}: read as {str(marked).upper()}")
    return marked


def _utf8_fault(data: LocalData) -> tuple[int, str] | None:
    """Return the line and the first bytes that are no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 0
    with data.open() as (content, _):
        while True:
            block = content.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line = lines + error.object.count(b"\n", 0, error.start) + 1
                return line, quote(error.object[error.start : error.start + 8])
            if not block:
                return None
            lines += block.count(b"\n")


def _is_windows(data: LocalData) -> bool:
    """Return whether the bytes are plausible as Western European text in Windows-1252.

    Texts in two bytes a character, or in another alphabet, have long runs of high bytes; the encodings of
    Central Europe have letters where Windows-1252 has symbols; UTF-8 with a damaged byte has its sequences.
    """
    high, in_runs = 0, 0
    with data.open() as (content, _):
        while block := content.read(_BLOCK):
            if _UNDEFINED.search(block) or _UTF8_SEQUENCE.search(block) or _SYMBOL_IN_WORD.search(block):
                return False
            high += len(_HIGH.findall(block))
            in_runs += sum(map(len, _HIGH_RUN.findall(block)))
    return in_runs <= 0.1 * high
