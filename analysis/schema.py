"""Fields of the tables, from the store's declaration."""

import pyarrow as pa

from analysis.views import VIEWS
from lookahead_ray.store.schemas import SCHEMAS


def schema() -> pa.Table:
    """Return a row for each field of every table: table, field, type, null (nullable), unit, description."""
    rows = [
        {
            "table": name,
            "field": field.name,
            "type": _type(field.type),
            "null": "yes" if field.nullable else "no",
            "unit": _said(field, b"unit"),
            "description": _said(field, b"description"),
        }
        for name, declared in VIEWS.items()
        for field in declared
    ]
    return pa.Table.from_pylist(rows)


def _said(field: pa.Field, what: bytes) -> str:
    """Return the field's metadata; for a verdicts field without any, that of the same generations field."""
    metadata = field.metadata
    if metadata is None and field.name in SCHEMAS["generations"].names:
        metadata = SCHEMAS["generations"].field(field.name).metadata
    text: bytes = (metadata or {}).get(what, b"")
    return text.decode()


def _type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return str(kind.value_type)  # a dictionary is only the storage format
    return f"list of {kind.value_type}" if pa.types.is_list(kind) else str(kind)
