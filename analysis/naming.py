"""Labels and kinds of the rows of `trials`."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lookahead_ray.trial.label import label


def row_label(row: Mapping[str, Any]) -> str:
    """Return a short label for a row with role, strategy, and config and params as JSON text.

    A configuration of another version that can't be read gets its role and strategy as label.
    """
    try:
        return label(json.loads(row["config"]), row["role"], json.loads(row["params"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return f"{row['role']} ({row['strategy']})"


def model_of(trials: pa.Table) -> str:
    """Return the path of the first trial's model, from the column config; "" if it has none."""
    for text in trials["config"].slice(0, 1).to_pylist():
        found = json.loads(text).get("model", {}).get("path", "")
        return str(found)
    return ""


def row_kind(row: Mapping[str, Any]) -> str:
    """Return seed or vanilla for a reference and its repeats, else the strategy: none, true or virtual."""
    if row["role"] == "repeat" and row["strategy"] == "none" and row.get("params") == "{}":
        return "vanilla"
    kind: str = row["role"] if row["role"] in ("seed", "vanilla") else row["strategy"]
    return kind
