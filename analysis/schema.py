"""What the tables hold, from the store's own declaration."""

import pyarrow as pa

from lookahead_ray.store.schemas import SCHEMAS


def schema() -> pa.Table:
    """table, field, type, null (may it be null), unit, description: a row for each field of every table."""
    rows = [
        {
            "table": name,
            "field": field.name,
            "type": _type(field.type),
            "null": "yes" if field.nullable else "no",
            "unit": (field.metadata or {}).get(b"unit", b"").decode(),
            "description": (field.metadata or {}).get(b"description", b"").decode(),
        }
        for name, declared in SCHEMAS.items()
        for field in declared
    ]
    return pa.Table.from_pylist(rows)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return str(kind.value_type)  # a dictionary is how it is stored, not what it is
    return f"list of {kind.value_type}" if pa.types.is_list(kind) else str(kind)
