"""CSV exports as other programs read them."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars
import pyarrow as pa
import pytest

from lookahead_ray import store
from lookahead_ray.store import TABLES
from lookahead_ray.store.export import WRITERS, guarded, unguarded
from tests.factory import make_failed, make_record
from tests.store.contract import IDENTITY

ROWS = 300


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    WRITERS["csv"](table, sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0] * 200 + [0.25] * 100, polars.Float64),
        ([0.0] * 200 + [1e-300, 1e300, -0.0, 123456789.0] * 25, polars.Float64),
        ([2.0] * 200 + [math.inf, -math.inf, math.nan, None] * 25, polars.Float64),
        ([None] * 50 + [2**62] * 250, polars.Int64),
        ([True, None, False] * 100, polars.Boolean),
        ([""] * 100 + [None] * 100 + ["x"] * 100, polars.String),
        (['a "b"; c, d\r\ne\tf\\ \x1b[31m\u202eé😀=1+1', "\n", ",", '"', "'"] * 60, polars.String),
    ],
)  # fmt: skip
def test_polars_reads_what_was_written(values: list[Any], kind: type[polars.DataType]) -> None:
    table = pa.table({"n, 1": values, "other": ["o"] * ROWS})
    read = polars.read_csv(written(table))
    assert read.schema == {"n, 1": kind, "other": polars.String}
    assert read["n, 1"].equals(polars.Series("n, 1", values, kind), null_equal=True)


def test_lists_are_json() -> None:
    table = pa.table({"x": pa.array([[1.0, None, math.nan, 2.5], [], None], pa.list_(pa.float64()))})
    read = polars.read_csv(written(table))["x"].to_list()
    assert [None if text is None else json.loads(text) for text in read] == [[1.0, None, None, 2.5], [], None]


def test_every_table_of_a_run(tmp_path: Path) -> None:
    """Scores are whole in the first hundred rows and real later, as with exact match before a mean."""
    writer = store.create(str(tmp_path / "run"), IDENTITY)
    for seed in range(1, 5):
        record = make_record(seed, prompts=40, steps=60)
        rows = tuple(
            replace(row, score=1.0 if seed < 4 else 0.37, answer='7, "x"\r\n', suffix="")
            for row in record.generations
        )
        writer.commit(record.with_measured(generations=rows))
    writer.commit(make_failed(9))
    run = store.open(str(tmp_path / "run"))
    run.export("all", "csv", str(tmp_path / "out"))
    for name in TABLES:
        table, path = run.table(name), tmp_path / "out" / f"{name}.csv"
        read = polars.read_csv(path)
        assert (read.height, read.columns) == (table.num_rows, table.schema.names)
        for field in table.schema:
            if pa.types.is_floating(field.type) and table[field.name].null_count < ROWS:
                assert read[field.name].cast(polars.Float64).to_list() == pytest.approx(
                    table[field.name].to_pylist(), nan_ok=True
                )
            elif not pa.types.is_list(field.type):
                assert read[field.name].to_list() == table[field.name].to_pylist(), field.name
        with path.open(encoding="utf-8", newline="") as file:
            assert sum(1 for _ in csv.reader(file, strict=True)) == table.num_rows + 1


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''+x", "- item", "-"]
HARMLESS = ["", "'", "''", "'Twas", "a=1", "-1.5", "+3", "1e5", "-inf", " =1", "数学"]


def test_texts_that_spreadsheets_compute_are_guarded_and_come_back() -> None:
    assert all(guarded(text) == f"'{text}" for text in FORMULAS)
    assert [guarded(text) for text in HARMLESS] == HARMLESS
    assert [unguarded(guarded(text)) for text in (*FORMULAS, *HARMLESS)] == [*FORMULAS, *HARMLESS]


@pytest.mark.parametrize("column", ["answer", "category"])
@pytest.mark.parametrize("exact", [False, True])
def test_the_command_guards_answers(exact: bool, column: str, tmp_path: Path) -> None:
    from lookahead_ray.entrypoints.tables import export

    writer = store.create(str(tmp_path / "run"), IDENTITY)
    record = make_record(1, prompts=len(FORMULAS))
    texts = [FORMULAS[i % len(FORMULAS)] for i in range(len(record.generations))]
    rows = tuple(replace(row, **{column: text}) for row, text in zip(record.generations, texts, strict=True))
    writer.commit(record.with_measured(generations=rows))
    export(str(tmp_path / "run"), "csv", str(tmp_path / "out"), exact)
    with (tmp_path / "out" / "generations.csv").open(encoding="utf-8", newline="") as file:
        found = [row[column] for row in csv.DictReader(file)]
    assert any(text[0] in "=+-@\t\r" for text in found) == exact
    assert (found if exact else [unguarded(text) for text in found]) == store.open(
        str(tmp_path / "run")
    ).table("generations")[column].to_pylist()
