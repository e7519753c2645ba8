"""What the tables hold, from the store's own declaration."""

import pyarrow as pa

from analysis.views import VIEWS
from lookahead_ray.store.schemas import SCHEMAS


def schema() -> pa.Table:
    """table, field, type, null (may it be null), unit, description: a row for each field of every table."""
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
    """Of a field of verdicts that says nothing, what the field of generations by that name says."""
    metadata = field.metadata
    if metadata is None and field.name in SCHEMAS["generations"].names:
        metadata = SCHEMAS["generations"].field(field.name).metadata
    text: bytes = (metadata or {}).get(what, b"")
    return text.decode()


def _type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return str(kind.value_type)  # a dictionary is how it is stored, not what it is
    return f"list of {kind.value_type}" if pa.types.is_list(kind) else str(kind)
