"""Conversion of a `TrialRecord` to one Arrow table for each of `TABLES`, and back.

Text is cleaned by `files.clean`. Numbers are unchanged: None becomes null, NaN stays NaN.
"""

import json
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import pyarrow as pa

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import clean, to_json
from lookahead_ray.store.schemas import INT, KEYS, RATES, REAL, SCHEMAS, TEXT, WORD, TableName
from lookahead_ray.trial.record import Generation, Rate, Signal, Step, TokenKl, TrialRecord

FROM_CONFIG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "method": lambda config: config["method"]["name"],
    "strategy": lambda config: config["preview"]["strategy"],
    "length_tokens": lambda config: config["preview"].get("length_tokens"),
    "prefix": lambda config: config["preview"].get("prefix"),
    "learning_rate": lambda config: config["training"]["learning_rate"],
    "epochs": lambda config: config["training"]["epochs"],
    "seed": lambda config: config["seed"],
}
"""Columns of `trials` that duplicate a part of `config`."""

JSON = ("config", "params", "versions", "preparation")
"""Fields of the record that `trials` stores as JSON text."""


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
    row = dict(vars(record))
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
        text = pa.array([clean(value) if isinstance(value, str) else value for value in values], TEXT)
    return text.dictionary_encode() if kind == WORD else text


def to_record(tables: dict[TableName, pa.Table]) -> TrialRecord:
    """Return the record whose rows `tables` holds; `tables` must hold only one record's rows."""
    (row,) = tables["trials"].to_pylist()
    for name in RATES:
        row[name] = _rate(row, name)
    for name in JSON:
        row[name] = json.loads(row[name])
    for name in FROM_CONFIG:
        del row[name]
    row["kl"], row["objectives"] = tuple(row["kl"]), tuple(row["objectives"])
    return TrialRecord(
        **row,
        steps=tuple(Step(**values) for values in _rows(tables["steps"])),
        signals=tuple(Signal(**values) for values in _rows(tables["signals"])),
        generations=tuple(Generation(**values) for values in _rows(tables["generations"])),
        token_kl=tuple(TokenKl(**values) for values in _rows(tables["token_kl"])),
    )


def _rate(row: dict[str, Any], name: str) -> Rate | None:
    parts = {part: row.pop(f"{name}_{part}") for part in ("low", "high", "n", "unparsed")}
    return None if parts["n"] is None else Rate(row[name], **parts)


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.drop_columns([key.name for key in KEYS]).to_pylist()
    return rows
