"""Schemas, unusual values and exports."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from lookahead_ray.store import SCHEMAS, TABLES, Store
from lookahead_ray.trial.record import Generation, Rate, Signal, Step, TokenKl
from tests.factory import make_failed, make_record
from tests.store.contract import IDENTITY

NASTY = 'a "b"; c, d\r\ne\tf\\\x00g\x1b[31m\u202eé😀=1+1'
REQUIRED_TRIALS = (
    "sweep_id trial_id role method strategy length_tokens prefix learning_rate epochs seed status error "
    "objective safety kl workers zero_stage train_tokens flops seconds_train seconds_evaluate seconds_total "
    "config config_hash params data_hash model_hash versions preparation started_at "
    "objectives constraint restarts harness share training_id asked ended_because"
)


@pytest.fixture
def run(tmp_path: Path) -> str:
    return str(tmp_path / "run")


@pytest.fixture
def writer(run: str) -> Store:
    return store.create(run, IDENTITY)


def test_schemas_have_version_units_and_meaning() -> None:
    for table in TABLES:
        schema = SCHEMAS[table]
        assert schema.metadata == {b"schema_version": b"3", b"table": table.encode()}
        assert schema.names[:2] == ["sweep_id", "trial_id"]
        assert len(set(schema.names)) == len(schema.names)
        assert all(field.metadata[b"description"] for field in schema)
    assert SCHEMAS["token_kl"].field("value").metadata[b"unit"] == b"nats"
    rates = [f"{name}{part}" for name in ("rsr", "jsr", "over_refusal", "utility")
             for part in ("", "_low", "_high", "_n", "_unparsed")]  # fmt: skip
    assert set(SCHEMAS["trials"].names) == set(REQUIRED_TRIALS.split()) | set(rates)
    kinds = {"steps": Step, "signals": Signal, "generations": Generation, "token_kl": TokenKl}
    for table, kind in kinds.items():
        assert SCHEMAS[table].names[2:] == list(kind.__dataclass_fields__)


def test_the_files_have_the_same_metadata(run: str, writer: Store) -> None:
    writer.commit(make_record(1))
    for table in TABLES:
        schema = pq.read_schema(f"{run}/tables/{table}/trial-1.parquet")
        assert schema.metadata[b"schema_version"] == b"3"
        for field in schema:
            declared = SCHEMAS[table].field(field.name).metadata
            assert declared.items() <= field.metadata.items()


def test_config_columns(run: str, writer: Store) -> None:
    record = make_record(1)
    virtual = {**record.config, "preview": {"strategy": "virtual", "prefix": NASTY}}
    true = {**record.config, "preview": {"strategy": "true", "length_tokens": 6}}
    writer.commit(replace(record, config=virtual))
    merged = {**true, "merge": {"name": "linear", "share": 0.5}}
    writer.commit(replace(record, config=merged, trial_id="t"))
    first, second = store.open(run).trials().to_pylist()
    assert (first["strategy"], first["prefix"], first["length_tokens"]) == ("virtual", NASTY, None)
    assert (second["strategy"], second["prefix"], second["length_tokens"]) == ("true", None, 6)
    assert (first["share"], second["share"]) == (1.0, 0.5)
    assert first["method"] == "vanilla"
    assert first["epochs"] == 3
    assert first["seed"] == 1
    assert json.loads(first["config"]) == virtual


def test_any_text_survives_but_surrogates(run: str, writer: Store) -> None:
    lone = "\ud800x\udfff\ud83d\ude00" + NASTY
    clean = "\ufffdx\ufffd\ufffd\ufffd" + NASTY
    record = make_record(1, prompts=1)

    def with_text(text: str) -> Any:
        answers = tuple(replace(row, answer=text, category=text, prefill="") for row in record.generations)
        return replace(record.with_measured(generations=answers), error=text, params={"prefix": text})

    writer.commit(with_text(lone))
    assert store.open(run).records() == [with_text(clean)]


def test_the_identity_holds_any_text(tmp_path: Path) -> None:
    store.create(str(tmp_path), replace(IDENTITY, name="x\ud800", config={"prefix": NASTY}))
    assert store.open(str(tmp_path)).identity == replace(IDENTITY, name="x\ufffd", config={"prefix": NASTY})


def test_nan_is_kept_and_none_is_null(run: str, writer: Store) -> None:
    record = make_record(1)
    nan, inf = float("nan"), float("inf")
    steps = (replace(record.steps[0], loss=nan, grad_norm=inf),)
    utility = Rate(nan, nan, nan, 0, 0)
    record = replace(record, utility=utility, objective=nan, constraint=None, kl=(nan, 1.0))
    writer.commit(record.with_measured(steps=steps, flops=inf, zero_stage=None))
    reader = store.open(run)
    row = reader.trials().to_pylist()[0]
    assert math.isnan(row["utility"])
    assert math.isnan(row["objective"])
    assert math.isnan(row["kl"][0])
    assert row["utility_n"] == 0
    assert (row["flops"], row["zero_stage"], row["constraint"]) == (inf, None, None)
    (back,) = reader.records()
    assert back.utility is not None
    assert math.isnan(back.utility.value)
    assert back.utility.n == 0
    assert math.isnan(back.steps[0].loss)
    assert back.steps[0].grad_norm == inf


@pytest.mark.parametrize("trial_id", ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n", "é", "x" * 201])
def test_a_trial_id_is_a_file_name(writer: Store, trial_id: str) -> None:
    with pytest.raises(StoreError, match="trial_id: must be"):
        writer.commit(replace(make_record(1), trial_id=trial_id))


def test_a_value_that_does_not_fit_names_its_column(run: str, writer: Store) -> None:
    record = make_record(1)
    broken: dict[str, Any] = {"loss": "high", "judge": None}
    step = replace(record.steps[0], loss=broken["loss"])
    generation = replace(record.generations[0], judge=broken["judge"])
    wrong_measured: list[tuple[dict[str, Any], str]] = [
        ({"workers": "two"}, "trials.workers"),
        ({"workers": 2.5}, "trials.workers"),
        ({"workers": float("nan")}, "trials.workers"),
        ({"train_tokens": 2**70}, "trials.train_tokens"),
        ({"versions": {"torch": object()}}, "versions"),
        ({"steps": (step,)}, "steps.loss"),
        ({"generations": (generation,)}, "generations.judge"),
    ]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"error": 3}, "trials.error"),
        ({"config_hash": None}, "trials.config_hash"),
        ({"kl": ("a",)}, "trials.kl"),
        ({"params": {"x": float("nan")}}, "params"),
        ({"params": {"x": object()}}, "params"),
        ({"config": {}}, "method"),
        ({"config": {**record.config, "training": {}}}, "learning_rate"),
    ]
    broken_records = [(record.with_measured(**change), named) for change, named in wrong_measured]
    broken_records += [(replace(record, **change), named) for change, named in wrong]
    for one, named in broken_records:
        with pytest.raises(StoreError, match=f"trial trial-1: .*{named}") as refused:
            writer.commit(one)
        assert "\n" not in str(refused.value)
    assert store.open(run).records() == []


def test_recomputing_needs_no_rows() -> None:
    empty = store.recompute_rates(SCHEMAS["generations"].empty_table())
    assert empty.num_rows == 0
    assert empty.schema.names == ["sweep_id", "trial_id", "metric", "value", "n", "unparsed"]


def test_unparsed_rows_stay_in_the_denominator(run: str, writer: Store) -> None:
    record = make_record(1, prompts=1)
    row = record.generations[0]
    rows = tuple(replace(row, verdict=verdict) for verdict in ("safe", "unsafe", "unparsed", "unparsed"))
    writer.commit(record.with_measured(generations=rows))
    (rate,) = store.recompute_rates(store.open(run).generations()).to_pylist()
    assert (rate["value"], rate["n"], rate["unparsed"]) == (0.25, 4, 2)


def test_rates_by_any_columns(run: str, writer: Store) -> None:
    template = make_record(1, prompts=1).generations[0]
    counted = {1: 4, 3: 3, 10: 0}
    rows = [
        replace(
            template,
            metric="jsr",
            attack=f"prefill_{count}",
            judge="j",
            category="even" if prompt % 2 == 0 else "odd",
            prompt_id=str(prompt),
            verdict="safe" if prompt < safe else "unsafe",
        )
        for count, safe in counted.items()
        for prompt in range(4)
    ]
    rows += [
        replace(template, metric="utility", attack="none", judge="rouge1", verdict="scored", score=score)
        for score in (0.25, 0.75)
    ]
    writer.commit(make_record(1).with_measured(generations=tuple(rows)))
    generations = store.open(run).generations()
    curve = [row for row in store.rates_by(generations).to_pylist() if row["metric"] == "jsr"]
    assert [(row["attack"], row["value"], row["n"]) for row in curve] == [
        ("prefill_1", 1.0, 4),
        ("prefill_10", 0.0, 4),
        ("prefill_3", 0.75, 4),
    ]
    by_category = store.rates_by(generations, ("attack", "category")).to_pylist()
    found = {(row["attack"], row["category"]): row["value"] for row in by_category if row["metric"] == "jsr"}
    assert found[("prefill_3", "even")] == 1.0
    assert found[("prefill_3", "odd")] == 0.5
    rates = {row["metric"]: row for row in store.recompute_rates(generations).to_pylist()}
    assert (rates["jsr"]["value"], rates["jsr"]["n"]) == (1.0, 4)  # of the first attack
    assert (rates["utility"]["value"], rates["utility"]["n"]) == (0.5, 2)


def test_dropped_rows_leave_the_denominator(run: str, writer: Store) -> None:
    row = make_record(1, prompts=1).generations[0]
    rows = tuple(replace(row, verdict=verdict) for verdict in ("safe", "unparsed", "dropped", "dropped"))
    rows += (replace(row, suite="other", verdict="dropped"),)
    writer.commit(make_record(1).with_measured(generations=rows))
    (rate,) = store.rates_by(store.open(run).generations()).to_pylist()
    assert (rate["value"], rate["n"], rate["unparsed"]) == (0.5, 2, 1)


def test_generations_of_many_trials_group_join_and_filter(run: str, writer: Store) -> None:
    """Dictionary columns differ between trials; the analysis must not depend on it."""
    record = make_record(1)
    for index in range(3):
        rows = tuple(replace(row, category=f"c{index}") for row in record.generations)
        writer.commit(replace(record.with_measured(generations=rows), trial_id=f"t{index}"))
    reader = store.open(run)
    grouped = reader.generations().group_by(["category", "metric"]).aggregate([([], "count_all")])
    assert grouped.num_rows == 12
    assert set(grouped["count_all"].to_pylist()) == {8}
    keys = reader.generations().select(["trial_id", "metric"])
    joined = keys.join(reader.trials().select(["trial_id", "role"]), "trial_id")
    assert joined.num_rows == 96
    assert set(reader.generations().to_pandas()["category"]) == {"c0", "c1", "c2"}


class TestExport:
    @pytest.fixture
    def reader(self, run: str, writer: Store) -> store.Run:
        record = make_record(1)
        rows = tuple(replace(row, answer=NASTY, prefill="") for row in record.generations)
        writer.commit(replace(record.with_measured(generations=rows), kl=(0.5, float("nan"))))
        writer.commit(make_failed(2, error=NASTY))
        writer.commit(make_record(3))
        return store.open(run)

    def test_csv(self, reader: store.Run, tmp_path: Path) -> None:
        paths = reader.export("all", "csv", str(tmp_path / "out"))
        assert [Path(path).name for path in paths] == [f"{table}.csv" for table in TABLES]
        for table, path in zip(TABLES, paths, strict=True):
            with Path(path).open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            expected = reader.table(table).to_pylist()
            assert len(rows) == len(expected)
            for row, want in zip(rows, expected, strict=True):
                assert list(row) == list(want)
                for name, value in want.items():
                    if isinstance(value, str):
                        assert row[name] == value
                    elif value is None:
                        assert row[name] == ""
                    elif isinstance(value, float):
                        assert float(row[name]) == value
            if table == "trials":
                assert [json.loads(row["kl"]) for row in rows][:2] == [[0.5, None], []]

    def test_arrow_and_parquet(self, reader: store.Run, tmp_path: Path) -> None:
        reader.export("all", "arrow", str(tmp_path))
        reader.export("all", "parquet", str(tmp_path))
        for table in ("steps", "generations", "token_kl"):
            want = getattr(reader, table)()
            with pa.ipc.open_file(tmp_path / f"{table}.arrow") as file:
                assert file.schema.equals(SCHEMAS[table], check_metadata=True)
                assert file.read_all().to_pylist() == want.to_pylist()
            assert pq.read_table(tmp_path / f"{table}.parquet").to_pylist() == want.to_pylist()

    def test_one_table_and_wrong_names(self, reader: store.Run, tmp_path: Path) -> None:
        assert reader.export("steps", "csv", str(tmp_path)) == (f"{tmp_path}/steps.csv",)
        with pytest.raises(StoreError, match=r"table must be one of trials, .*, got 'nope'"):
            reader.export("nope", "csv", str(tmp_path))
        wrong: Any = "xlsx"
        with pytest.raises(StoreError, match="format must be one of csv, parquet, arrow, got 'xlsx'"):
            reader.export("steps", wrong, str(tmp_path))


def test_an_empty_run_exports_headers(run: str, writer: Store, tmp_path: Path) -> None:
    store.open(run).export("all", "csv", str(tmp_path))
    for table in TABLES:
        header = (tmp_path / f"{table}.csv").read_text().strip()
        assert next(csv.reader([header])) == SCHEMAS[table].names
