"""What a row of `trials` is called and drawn as."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lookahead_ray.trial.label import label


def row_label(row: Mapping[str, Any]) -> str:
    """A few words for a row with role, strategy, and config and params as JSON text.

    A configuration of another time, which can't be read, is called by its role and strategy.
    """
    try:
        return label(json.loads(row["config"]), row["role"], json.loads(row["params"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return f"{row['role']} ({row['strategy']})"


def model_of(trials: pa.Table) -> str:
    """Path of the model that the first trial is of, from the column config; "" if it says none."""
    for text in trials["config"].slice(0, 1).to_pylist():
        found = json.loads(text).get("model", {}).get("path", "")
        return str(found)
    return ""


def row_kind(row: Mapping[str, Any]) -> str:
    """seed or vanilla for a reference and its repeats, else the strategy: none, true or virtual."""
    if row["role"] == "repeat" and row["strategy"] == "none" and row.get("params") == "{}":
        return "vanilla"
    kind: str = row["role"] if row["role"] in ("seed", "vanilla") else row["strategy"]
    return kind
