"""Columns of `trials` are declared once: rows and records follow from the schemas and dataclasses."""

import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from lookahead_ray.store.conversion import FROM_CONFIG, MEASURED, RECORD
from lookahead_ray.store.schemas import COLUMNS, RATES
from lookahead_ray.trial.record import Measurement, TrialRecord

ROOT = Path(__file__).parents[2]
PARTS = ("low", "high", "n", "unparsed")
OWN_TABLES = {"steps", "signals", "generations", "token_kl"}

WRITE_AND_READ = """
from dataclasses import replace
from pathlib import Path

import lookahead_ray
from lookahead_ray import store
from tests.factory import make_failed, make_record
from tests.store.contract import IDENTITY

assert Path(lookahead_ray.__file__).is_relative_to({package!r})
record = {record}
writer = store.create({run!r}, IDENTITY)
writer.commit(record)
writer.commit(make_failed(2))
assert store.open({run!r}).trials()["new"].to_pylist() == [1.5, None]
assert store.open({run!r}).records() == [record, make_failed(2)]
assert store.SCHEMAS["trials"].field("new").metadata == {{b"unit": b"W", b"description": b"mean power"}}
"""


def test_every_column_has_one_source_and_every_field_is_stored() -> None:
    rates = [f"{name}_{part}" for name in RATES for part in PARTS]
    sources = [*RECORD, *MEASURED, *FROM_CONFIG, *rates]
    assert sorted(sources) == sorted(column.name for column in COLUMNS["trials"])
    assert {field.name for field in fields(TrialRecord)} - set(RECORD) == {"measurement"}
    # `stopped` and `outage` are stored as `status` and `error`, rows have tables of their own, and further
    # points of a training records of their own
    assert {field.name for field in fields(Measurement)} - set(MEASURED) == {
        "stopped", "outage", "further", *OWN_TABLES,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("module", "before", "field", "record"),
    [
        (
            "measurement.py",
            "    preparation: dict[str, float] = field",
            "    new: float | None = None",
            "make_record(1).with_measured(new=1.5)",
        ),
        (
            "record.py",
            "    measurement: Measurement | None = None",
            "    new: float | None = None",
            "replace(make_record(1), new=1.5)",
        ),
    ],
)
def test_a_new_column_is_one_line_in_each_of_two_files(
    tmp_path: Path, module: str, before: str, field: str, record: str
) -> None:
    """Add a column to a copy of the package: a field of a dataclass and a line of `store/schemas.py`."""
    package = tmp_path / "copy" / "lookahead_ray"
    shutil.copytree(ROOT / "lookahead_ray", package, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    insert(package / "trial" / module, before, field)
    column = '        Column("new", REAL, False, "W", "mean power"),'
    insert(package / "store" / "schemas.py", '        Column("restarts"', column)
    code = WRITE_AND_READ.format(package=str(package), run=str(tmp_path / "run"), record=record)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{package.parent}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def insert(path: Path, before: str, line: str) -> None:
    """Insert a line before the one that starts with `before`."""
    text = path.read_text()
    assert text.count(f"\n{before}") == 1
    path.write_text(text.replace(f"\n{before}", f"\n{line}\n{before}"))
