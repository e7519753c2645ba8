"""Application of a preview to a data file: the rows of one file, rewritten into another.

With the same options and protocol `paper` the output equals that of the published script byte for byte
(https://github.com/zjunlp/LookAheadTuning/blob/f9730df/main.py): JSONL in ASCII with escapes; JSON in UTF-8,
indented by four spaces, no line end after it; fields in their order, unknown ones kept. Inputs on which that
script fails are refused, except a byte order mark; so are lengths under 1, an empty phrase, and a JSON file
that holds no array (for an empty object the script writes an empty array).
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.config.preview import PreviewConfig, TruePreview
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.rows import UnreadableValue, plain_text, quote
from lookahead_ray.data.streaming_json import JsonFormat, JsonRow, Located, format_of
from lookahead_ray.errors import DataError
from lookahead_ray.filesystem import replacing
from lookahead_ray.preview.apply import additions
from lookahead_ray.preview.rows import Place, Turns, add, places_of, text_at

BATCH_ROWS = 4096
BATCH_CHARACTERS = 1 << 23  # of instructions and answers; ends a batch early

RowProgress = Callable[[int, int], None]
"""Callback that takes the rows done and the bytes read so far, after each batch."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Names of a row's instruction and answer fields; the defaults are the published script's."""

    instruction: str = "input"
    answer: str = "output"


def rewrite(
    source: Path | str,
    target: Path,
    preview: PreviewConfig,
    tokenizer: Any,
    fields: Fields | None = Fields(),
    source_format: JsonFormat | None = None,
    target_format: JsonFormat | None = None,
    progress: RowProgress = lambda rows, read_bytes: None,
    turns: Turns = "last",
    csv_format: CsvFormat | None = None,
) -> int:
    """Write the rows of `source` under `preview` to `target`, atomically; return the number of rows.

    Args:
        source: as for `RowReader`: also a folder, a pattern or a URL, in any of its formats.
        fields: None: each row's layout decides, see `rows`.
        source_format: None: chosen by the suffix; `target_format` likewise.
        turns: which answers of a chat get a preview, if `fields` is None.
        csv_format: of CSV files; what is None is found.

    Raises:
        DataError: a row is invalid (the message names file, line or element, field and value), or `target` is
            `source` or can't be written.
        ModelError: as `additions`.
    """
    writes = target_format or format_of(target)
    reader = RowReader(source, csv_format, json_format=source_format, may_be_empty=True)
    _check_target(reader, target)
    rows = 0
    with _replacing(target) as out:
        encode = _encode_lines if writes == "jsonl" else _encode_array
        done = 0

        def changed() -> Iterator[Located]:
            nonlocal done
            items = (_item(row.where, dict(row.fields), preview, fields, turns) for row in reader)
            for batch in _batches(items):
                _change(batch, preview, tokenizer)
                yield from ((item.where, item.row) for item in batch)
                done += len(batch)
                progress(done, reader.read_bytes)

        for rows, piece in enumerate(encode(changed())):  # noqa: B007  # the last piece is no row
            out.write(piece)
    return rows


class _Item(NamedTuple):
    where: str
    row: JsonRow
    places: list[Place]


def _item(where: str, row: JsonRow, preview: PreviewConfig, fields: Fields | None, turns: Turns) -> _Item:
    for name, value in row.items():
        if isinstance(value, UnreadableValue):
            raise DataError(f"{where}: field {quote(name)} must be a value that can be read, got {value!r}")
    published = isinstance(preview, TruePreview) and preview.protocol == "paper"
    if fields is None and published and "input" in row and "output" in row:
        fields = Fields()  # the published script reads no other field
    if fields is None:
        return _Item(where, row, places_of(row, where, turns))
    for field in (fields.instruction, fields.answer):
        row[field] = _text(row, field, where)
    return _Item(where, row, [Place((fields.instruction,), (fields.answer,))])


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    batch: list[_Item] = []
    characters = 0
    for item in items:
        characters += sum(len(text_at(item.row, path)) for place in item.places for path in place)
        batch.append(item)
        if len(batch) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _change(batch: list[_Item], preview: PreviewConfig, tokenizer: Any) -> None:
    places = [(item, place) for item in batch for place in item.places]
    answers = [text_at(item.row, place.answer) for item, place in places]
    if isinstance(preview, TruePreview):
        for (item, place), answer in zip(places, answers, strict=True):
            _check_unicode(answer, ".".join(map(str, place.answer)), item.where)
    for (item, place), added in zip(places, additions(answers, preview, tokenizer), strict=True):
        add(item.row, place, added)


def _text(row: JsonRow, field: str, where: str) -> str:
    if field not in row:
        raise DataError(f"{where}: field {quote(field)} must be present, got the fields {quote(list(row))}")
    value = row[field]
    text = None if value is None else plain_text(value)
    if text is None:
        rule = "must be text, a number, true or false"
        raise DataError(f"{where}: field {quote(field)} {rule}, got {quote(value)}")
    return text


def _check_unicode(value: str, field: str, where: str) -> None:
    """Raise DataError for a lone surrogate, which no tokenizer accepts."""
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{where}: field {quote(field)} must have no lone surrogate, got {quote(value)}")


def _encode_lines(rows: Iterable[Located]) -> Iterator[bytes]:
    """Return a piece for each row, and an empty one."""
    return chain((f"{json.dumps(row, default=_value)}\n".encode() for _, row in rows), [b""])


def _encode_array(rows: Iterable[Located]) -> Iterator[bytes]:
    """Yield a piece for each row, and the end of the array."""
    before = "["
    for where, row in rows:
        # No string contains a line end: JSON escapes it.
        text = json.dumps(row, ensure_ascii=False, indent=4, default=_value).replace("\n", "\n    ")
        try:
            yield f"{before}\n    {text}".encode()
        except UnicodeEncodeError as error:
            bad = quote(error.object[max(error.start - 20, 0) : error.end])
            raise DataError(
                f"{where}: must have no lone surrogate to be written as JSON, got {bad}"
            ) from error
        before = ","
    yield b"[]" if before == "[" else b"\n]"


def _value(value: object) -> object:
    """Return a Parquet file's value that JSON lacks as text."""
    text = plain_text(value)
    return repr(value) if text is None else text


def _check_target(reader: RowReader, target: Path) -> None:
    for file in reader.files:
        if file.fs is None and target.exists() and os.path.samefile(file.path, target):
            raise DataError(f"{target}: OUT and IN must be different files")
    if target.exists() and not target.is_file():
        raise DataError(f"{target}: OUT must be a file, got {'a folder' if target.is_dir() else 'a device'}")


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that replaces `path`, with its permissions, on success. Raises DataError if it can't."""
    target = path.resolve()  # a link stays a link
    with ExitStack() as stack:
        try:
            file = stack.enter_context(replacing(target, shared=True))
        except OSError as error:
            raise DataError(f"{path}: OUT must be in a folder to write to, got {error.strerror}") from error
        if target.exists():
            shutil.copymode(target, file.name)
        yield file
