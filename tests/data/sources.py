"""Small files and replacements of the hub, shared by the tests of tasks and suites."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared(name: str) -> str:
    """Return a public data file's path; skip the test if it is missing."""
    if not (SHARED / name).is_file():
        pytest.skip(f"needs {SHARED / name}")
    return str(SHARED / name)


def write_jsonl(path: Path, rows: Sequence[object]) -> str:
    """Write texts as they are, everything else as JSON."""
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return str(path)


def write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


class FakeDatasetsError(Exception):
    pass


def fake_datasets(
    monkeypatch: pytest.MonkeyPatch, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any] | Exception
) -> list[tuple[str | None, ...]]:
    """Replace the `datasets` package: rows for every split, or by split, or an error.

    Returns the list of calls it gets: (name, config, split, revision).
    """
    calls: list[tuple[str | None, ...]] = []

    def load_dataset(name: str, config: str | None, *, split: str, revision: str | None) -> Any:
        calls.append((name, config, split, revision))
        if isinstance(rows, Exception):
            raise rows
        return rows[split] if isinstance(rows, Mapping) else rows

    module = ModuleType("datasets")
    vars(module).update(
        load_dataset=load_dataset, exceptions=SimpleNamespace(DatasetsError=FakeDatasetsError)
    )
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls
