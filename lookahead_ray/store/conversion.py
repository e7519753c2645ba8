"""Conversion of a `TrialRecord` to one Arrow table for each of `TABLES`, and back.

A column of `trials` is filled from the field of `TrialRecord` or `Measurement` that has its name; a new one
needs no change here. Text passes through `files.replace_surrogates`. Numbers are unchanged: None becomes
null, NaN stays NaN.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

import pyarrow as pa

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import replace_surrogates, to_json
from lookahead_ray.store.schemas import COLUMNS, INT, KEYS, RATES, REAL, SCHEMAS, TEXT, WORD, TableName
from lookahead_ray.trial.record import Generation, Measurement, Rate, Signal, Step, TokenKl, TrialRecord

FROM_CONFIG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "method": lambda config: config["method"]["name"],
    "strategy": lambda config: config["preview"]["strategy"],
    "length_tokens": lambda config: config["preview"].get("length_tokens"),
    "prefix": lambda config: config["preview"].get("prefix"),
    "share": lambda config: _share(config.get("merge", {}).get("share", 1.0)),
    "learning_rate": lambda config: config["training"]["learning_rate"],
    "epochs": lambda config: config["training"]["epochs"],
    "seed": lambda config: config["seed"],
}
"""Columns of `trials` that duplicate a part of `config`."""

JSON = tuple(column.name for column in COLUMNS["trials"] if column.unit == "JSON")
"""Columns of `trials` that hold a dictionary as JSON text."""
LISTS = tuple(column.name for column in COLUMNS["trials"] if pa.types.is_list(column.type))
"""Columns of `trials` that hold a tuple."""


def _share(value: float | list[float]) -> float | None:
    """Return a merge's share; None if it has several, as that of a failed training."""
    return None if isinstance(value, list) else value


def _columns_of(kind: type[TrialRecord] | type[Measurement]) -> tuple[str, ...]:
    names = {field.name for field in fields(kind)}
    return tuple(column.name for column in COLUMNS["trials"] if column.name in names)


RECORD, MEASURED = _columns_of(TrialRecord), _columns_of(Measurement)
"""Columns of `trials` that hold a field of the record, and of its measurement."""
UNMEASURED: dict[str, Any] = {
    name: {} if name in JSON else () if name in LISTS else None for name in MEASURED
}
"""The values of the columns `MEASURED` without a measurement."""


def to_tables(record: TrialRecord) -> dict[TableName, pa.Table]:
    """Return the record's rows, in its order, with the schemas of `SCHEMAS`.

    Raises `StoreError` naming trial, table and column if a value doesn't fit its column.
    """
    row = _trial_row(record)
    return {
        "trials": _table("trials", record, [row], lambda name: lambda row: row[name]),
        "steps": _table("steps", record, record.steps, attrgetter),
        "signals": _table("signals", record, record.signals, attrgetter),
        "generations": _table("generations", record, record.generations, attrgetter),
        "token_kl": _table("token_kl", record, record.token_kl, attrgetter),
    }


def _trial_row(record: TrialRecord) -> dict[str, Any]:
    row = {**UNMEASURED, **(vars(record.measurement) if record.measurement else {}), **vars(record)}
    for name, pick in FROM_CONFIG.items():
        try:
            row[name] = pick(record.config)
        except (KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"trial {record.trial_id}: config must say {name}, got {record.config!r}"
            ) from error
    for name in JSON:
        row[name] = to_json(row[name], f"trial {record.trial_id}: {name}")
    for name in RATES:
        rate: Rate | None = row[name]
        row[name] = rate.value if rate else None
        for part in ("low", "high", "n", "unparsed"):
            row[f"{name}_{part}"] = getattr(rate, part) if rate else None
    return row


def _table(
    table: TableName, record: TrialRecord, rows: Iterable[Any], getter: Callable[[str], Callable[[Any], Any]]
) -> pa.Table:
    rows = tuple(rows)
    arrays = []
    for field in SCHEMAS[table]:
        if field.name in ("sweep_id", "trial_id"):
            values = [getattr(record, field.name)] * len(rows)
        else:
            values = list(map(getter(field.name), rows))
        where = f"trial {record.trial_id}: {table}.{field.name}"
        if not field.nullable and None in values:
            raise StoreError(f"{where}: must not be empty, got None in row {values.index(None)}")
        try:
            arrays.append(_array(values, field.type))
        except (pa.ArrowException, OverflowError) as error:
            raise StoreError(
                f"{where}: must be of type {field.type}: {' '.join(str(error).split())}"
            ) from error
    return pa.Table.from_arrays(arrays, schema=SCHEMAS[table])


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == INT and any(isinstance(value, float) for value in values):
        return pa.array(values, REAL).cast(INT)  # rejects 2.5, which pa.array(values, INT) truncates to 2
    if kind not in (TEXT, WORD):
        return pa.array(values, kind)
    try:
        text = pa.array(values, TEXT)
    except UnicodeEncodeError:
        text = pa.array(
            [replace_surrogates(value) if isinstance(value, str) else value for value in values], TEXT
        )
    return text.dictionary_encode() if kind == WORD else text


def to_record(tables: dict[TableName, pa.Table]) -> TrialRecord:
    """Return the record whose rows `tables` holds; `tables` must hold only one record's rows."""
    (row,) = tables["trials"].to_pylist()
    for name in RATES:
        row[name] = _rate(row, name)
    for name in JSON:
        row[name] = json.loads(row[name]) if row[name] is not None else {}  # null: added later
    for name in LISTS:
        row[name] = tuple(row[name])
    return TrialRecord(**{name: row[name] for name in RECORD}, measurement=_measurement(row, tables))


def _measurement(row: Mapping[str, Any], tables: Mapping[TableName, pa.Table]) -> Measurement | None:
    measured = {name: row[name] for name in MEASURED}
    if measured == UNMEASURED:
        return None
    return Measurement(
        **measured,
        stopped=row["status"] == "stopped",
        steps=tuple(Step(**values) for values in _rows(tables["steps"])),
        signals=tuple(Signal(**values) for values in _rows(tables["signals"])),
        generations=tuple(Generation(**values) for values in _rows(tables["generations"])),
        token_kl=tuple(TokenKl(**values) for values in _rows(tables["token_kl"])),
    )


def _rate(row: Mapping[str, Any], name: str) -> Rate | None:
    parts = {part: row[f"{name}_{part}"] for part in ("low", "high", "n", "unparsed")}
    return None if parts["n"] is None else Rate(row[name], **parts)


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.drop_columns([key.name for key in KEYS]).to_pylist()
    return rows
