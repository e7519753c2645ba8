"""Small helpers for Arrow columns and rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Column = Any  # pa.ChunkedArray: pyarrow has no types


def finite(column: Column) -> Column:
    """Return the column as floats; null, NaN and infinite values become null."""
    numbers = column.cast(pa.float64())
    return pc.if_else(pc.fill_null(pc.is_finite(numbers), False), numbers, pa.scalar(None, pa.float64()))


def one_of(column: Column, values: Iterable[str]) -> Column:
    """Return whether each value is one of `values`; false for null."""
    return pc.fill_null(pc.is_in(column, pa.array(list(values), pa.string())), False)


def take_ids(table: pa.Table, trial_ids: Sequence[str]) -> pa.Table:
    """Return the rows of these trials, in the order of `trial_ids`; unknown ids are skipped."""
    places = pc.index_in(pa.array(trial_ids, pa.string()), table["trial_id"].combine_chunks())
    return table.take(places.drop_null())


def table_of(schema: pa.Schema, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return a small table from a few rows."""
    return pa.Table.from_pylist(list(rows), schema)
