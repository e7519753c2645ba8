"""Export of a table to one file for other tools."""

import io
import json
import math
from collections.abc import Callable
from typing import IO, Any, Literal, get_args

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files

ExportFormat = Literal["csv", "parquet", "arrow"]


def export_table(table: pa.Table, name: str, format: ExportFormat, target: Files) -> str:
    """Write `<target>/<name>.<format>`, replacing an old file; return its path. `StoreError` on failure."""
    if format not in WRITERS:
        raise StoreError(f"format must be one of {', '.join(get_args(ExportFormat))}, got {format!r}")
    sink = io.BytesIO()
    WRITERS[format](table, sink)
    target.write(f"{name}.{format}", sink.getvalue())
    return f"{target.run.rstrip('/')}/{name}.{format}"


def _csv(table: pa.Table, sink: IO[bytes]) -> None:
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            text = [_json(values) for values in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(text, pa.string()))
    pa.csv.write_csv(table, sink)


def _json(values: list[float] | None) -> str | None:
    """Return `values` as JSON text, with null for NaN and infinity, which JSON lacks."""
    if values is None:
        return None
    return json.dumps([value if value is not None and math.isfinite(value) else None for value in values])


def _parquet(table: pa.Table, sink: IO[bytes]) -> None:
    pq.write_table(table, sink, compression="zstd")


def _arrow(table: pa.Table, sink: IO[bytes]) -> None:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[str, Callable[[pa.Table, IO[bytes]], Any]] = {"csv": _csv, "parquet": _parquet, "arrow": _arrow}
