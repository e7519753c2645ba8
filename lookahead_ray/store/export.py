"""Export of a table to one file for other tools."""

import io
import json
import math
import re
from collections.abc import Callable
from typing import IO, Any, Literal, get_args

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files

ExportFormat = Literal["csv", "parquet", "arrow"]
_ROWS_AT_ONCE = 8192
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def export_table(table: pa.Table, name: str, format: ExportFormat, target: Files, guard: bool = False) -> str:
    """Write `<target>/<name>.<format>`, replacing an old file; return its path. `StoreError` on failure.

    With `guard`, texts in CSV are `guarded`.
    """
    if format not in WRITERS:
        raise StoreError(f"format must be one of {', '.join(get_args(ExportFormat))}, got {format!r}")
    sink = io.BytesIO()
    WRITERS[format](_guarded_table(table) if guard and format == "csv" else table, sink)
    target.write(f"{name}.{format}", sink.getvalue())
    return f"{target.run.rstrip('/')}/{name}.{format}"


def guarded(text: str) -> str:
    """Return a text that spreadsheets don't compute: a formula gets an apostrophe in front.

    Answers of models are untrusted, and Excel and others run what begins with `=`, `+`, `-`, `@`, a tab or a
    carriage return. Numbers stay as they are. `unguarded` is the inverse.
    """
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def unguarded(text: str) -> str:
    """Return the text that was `guarded`."""
    return text[1:] if _GUARDED.match(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip() == text


def _guarded_table(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):  # names of suites and categories come from the user's files
            field = field.with_type(field.type.value_type)
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            texts = [None if text is None else guarded(text) for text in table[index].to_pylist()]
            table = table.set_column(index, field, pa.array(texts, field.type))
    return table


def _csv(table: pa.Table, sink: IO[bytes]) -> None:
    """Write texts in quotes, so that an empty text differs from a null, and reals with a point or exponent.

    Readers such as polars guess a column's type from its first rows: a real that looks whole there would make
    the later ones unreadable.
    """
    sink.write(f"{','.join(map(_quoted, table.schema.names))}\n".encode())
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = [list(map(_text, column.to_pylist())) for column in batch.columns]
        sink.write("".join(f"{','.join(row)}\n" for row in zip(*columns, strict=True)).encode())


def _text(value: object) -> str:
    """Return a cell: a number bare, a list as quoted JSON, a null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return _quoted(_json(value) if isinstance(value, list) else str(value))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _json(values: list[float | None]) -> str:
    """Return `values` as JSON text, with null for NaN and infinity, which JSON lacks."""
    return json.dumps([value if value is not None and math.isfinite(value) else None for value in values])


def _parquet(table: pa.Table, sink: IO[bytes]) -> None:
    pq.write_table(table, sink, compression="zstd")


def _arrow(table: pa.Table, sink: IO[bytes]) -> None:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[str, Callable[[pa.Table, IO[bytes]], Any]] = {"csv": _csv, "parquet": _parquet, "arrow": _arrow}
