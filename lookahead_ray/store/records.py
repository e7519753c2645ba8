"""Tables back to `TrialRecord`s: the inverse of `rows`."""

import json
from typing import Any

import pyarrow as pa

from lookahead_ray.store.rows import FROM_CONFIG, JSON
from lookahead_ray.store.schemas import KEYS, RATES, TableName
from lookahead_ray.trial.record import Generation, Rate, Signal, Step, TokenKl, TrialRecord


def to_record(tables: dict[TableName, pa.Table]) -> TrialRecord:
    """The record whose rows, and no other's, `tables` holds."""
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
