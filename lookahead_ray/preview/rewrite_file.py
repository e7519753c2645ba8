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
from typing import Any, BinaryIO

from lookahead_ray.config.preview import PreviewConfig, TruePreview
from lookahead_ray.data.rows import quote
from lookahead_ray.data.streaming_json import (
    JsonFormat,
    JsonRow,
    Located,
    format_of,
    open_text,
    read_json_rows,
)
from lookahead_ray.errors import DataError
from lookahead_ray.filesystem import replacing
from lookahead_ray.preview.apply import additions

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
    source: Path,
    target: Path,
    preview: PreviewConfig,
    tokenizer: Any,
    fields: Fields = Fields(),
    source_format: JsonFormat | None = None,
    target_format: JsonFormat | None = None,
    progress: RowProgress = lambda rows, read_bytes: None,
) -> int:
    """Write the rows of `source` under `preview` to `target`, atomically; return the number of rows.

    Args:
        source_format: None: chosen by the suffix; `target_format` likewise.

    Raises:
        DataError: a row is invalid (the message names file, line or element, field and value), or `target` is
            `source` or can't be written.
        ModelError: as `additions`.
    """
    reads, writes = source_format or format_of(source), target_format or format_of(target)
    rows = 0
    with open_text(source) as stream:
        _check_target(source, target)
        with _replacing(target) as out:
            encode = _encode_lines if writes == "jsonl" else _encode_array
            done = 0

            def changed() -> Iterator[Located]:
                nonlocal done
                for batch in _batches(read_json_rows(stream, str(source), reads), fields):
                    _change(batch, preview, tokenizer, fields)
                    yield from batch
                    done += len(batch)
                    progress(done, stream.buffer.raw.tell())  # type: ignore[attr-defined]  # of open(path)

            for rows, piece in enumerate(encode(changed())):  # noqa: B007  # the last piece is no row
                out.write(piece)
    return rows


def _batches(rows: Iterable[Located], fields: Fields) -> Iterator[list[Located]]:
    batch: list[Located] = []
    characters = 0
    for where, row in rows:
        characters += len(_text(row, fields.instruction, where)) + len(_text(row, fields.answer, where))
        batch.append((where, row))
        if len(batch) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _change(batch: list[Located], preview: PreviewConfig, tokenizer: Any, fields: Fields) -> None:
    if isinstance(preview, TruePreview):
        for where, row in batch:
            _check_unicode(row, fields.answer, where)
    added = additions([row[fields.answer] for _, row in batch], preview, tokenizer)
    for (_, row), each in zip(batch, added, strict=True):
        row[fields.instruction] += each.behind_instruction
        row[fields.answer] = each.before_answer + row[fields.answer]


def _text(row: JsonRow, field: str, where: str) -> str:
    if field not in row:
        raise DataError(f"{where}: field {quote(field)} must be present, got the fields {quote(list(row))}")
    value = row[field]
    if not isinstance(value, str):
        raise DataError(f"{where}: field {quote(field)} must be a string, got {quote(value)}")
    return value


def _check_unicode(row: JsonRow, field: str, where: str) -> None:
    """Raise DataError for a lone surrogate, which no tokenizer accepts."""
    value: str = row[field]
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{where}: field {quote(field)} must have no lone surrogate, got {quote(value)}")


def _encode_lines(rows: Iterable[Located]) -> Iterator[bytes]:
    """Return a piece for each row, and an empty one."""
    return chain((f"{json.dumps(row)}\n".encode() for _, row in rows), [b""])


def _encode_array(rows: Iterable[Located]) -> Iterator[bytes]:
    """Yield a piece for each row, and the end of the array."""
    before = "["
    for where, row in rows:
        # No string contains a line end: JSON escapes it.
        text = json.dumps(row, ensure_ascii=False, indent=4).replace("\n", "\n    ")
        try:
            yield f"{before}\n    {text}".encode()
        except UnicodeEncodeError as error:
            bad = quote(error.object[max(error.start - 20, 0) : error.end])
            raise DataError(
                f"{where}: must have no lone surrogate to be written as JSON, got {bad}"
            ) from error
        before = ","
    yield b"[]" if before == "[" else b"\n]"


def _check_target(source: Path, target: Path) -> None:
    if target.exists() and os.path.samefile(source, target):
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
