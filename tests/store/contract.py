"""The contract of a run on every file system."""

import json
from dataclasses import replace

import fsspec
import pyarrow.compute as pc
import pytest
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from lookahead_ray.store import SCHEMAS, TABLES, SweepIdentity
from lookahead_ray.trial.record import COUNTED
from tests.factory import SWEEP_ID, make_failed, make_points, make_record, with_others

IDENTITY = SweepIdentity(
    SWEEP_ID,
    "quickstart",
    "abc123",
    {"trials": 3, "prefix": "é"},
    "2025-01-01T00:00:00Z",
    {"task": "t1"},
)


def damage(run: str, name: str, content: bytes | None) -> None:
    """Replace a file directly, not through the store; None removes it."""
    fs, root = url_to_fs(run)
    if content is None:
        fs.rm_file(f"{root}/{name}")
    else:
        if isinstance(fs, LocalFileSystem):
            fs.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe_file(f"{root}/{name}", content)


def content_of(run: str, name: str) -> bytes:
    fs, root = url_to_fs(run)
    return bytes(fs.cat_file(f"{root}/{name}"))


class StoreContract:
    """Subclasses give a `run` fixture: the path or URL of a run that doesn't exist yet."""

    def test_round_trip(self, run: str) -> None:
        partial = make_record(4).with_measured(asked=32, ended_because="safety below the floor")
        records = [make_record(3), make_failed(1), make_record(2, role="vanilla")]
        records.append(replace(partial, status="partial", objective=None, objectives=()))
        writer = store.create(run, IDENTITY)
        for record in records:
            writer.commit(record)
        reader = store.open(run)
        assert reader.records() == records
        assert reader.identity == IDENTITY
        assert reader.trials()["trial_id"].to_pylist() == ["trial-3", "trial-1", "trial-2", "trial-4"]
        assert writer.committed_ids() == {"trial-1", "trial-2", "trial-3", "trial-4"}

    def test_tables_have_the_schemas_with_and_without_rows(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        for rows in (0, 1, 2):
            reader = store.open(run)
            tables = tuple(map(reader.table, TABLES))
            for name, table in zip(TABLES, tables, strict=True):
                assert table.schema.equals(SCHEMAS[name], check_metadata=True)
                assert reader.dataset(name).schema.equals(SCHEMAS[name], check_metadata=True)
                assert reader.dataset(name).to_table().to_pylist() == table.to_pylist()
            assert tables[0].num_rows == rows
            writer.commit(make_record(rows))

    def test_the_dataset_filters_on_the_analysis_columns(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        for seed in range(3):
            writer.commit(make_record(seed))
        dataset = store.open(run).dataset("generations")
        wanted = (pc.field("metric") == "jsr") & (pc.field("trial_id") == "trial-1")
        assert dataset.count_rows(filter=wanted) == 8
        assert set(dataset.to_table(["attack"], filter=wanted)["attack"].to_pylist()) == {"prefill_3"}

    def test_rates_come_back_from_generations(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        for seed in range(4):
            record = make_record(seed, prompts=20)
            writer.commit(with_others(record) if seed % 2 else record)
        writer.commit(make_failed(4))
        reader = store.open(run)
        rates = {
            (row["trial_id"], row["metric"]): row
            for row in store.recompute_rates(reader.generations()).to_pylist()
        }
        compared = 0
        for trial in reader.trials().to_pylist():
            for metric in COUNTED:
                again = rates.get((trial["trial_id"], metric))
                stored = tuple(trial[name] for name in (metric, f"{metric}_n", f"{metric}_unparsed"))
                assert stored == ((again["value"], again["n"], again["unparsed"]) if again else (None,) * 3)
                compared += again is not None
        assert compared == len(rates) == 16

    def test_a_trial_is_committed_once(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        writer.commit(make_record(1))
        before = store.open(run).records()
        for again in (writer, store.create(run, IDENTITY)):
            with pytest.raises(StoreError, match="committed once, got 'trial-1'"):
                again.commit(make_record(1, prompts=3))
        assert store.open(run).records() == before

    def test_a_run_is_resumed(self, run: str) -> None:
        store.create(run, IDENTITY).commit(make_record(1))
        again = store.create(run, replace(IDENTITY, sweep_id="other-id", created_at="2026-01-01T00:00:00Z"))
        assert again.identity == IDENTITY
        assert again.committed_ids() == {"trial-1"}
        again.commit(make_record(0))
        assert [record.trial_id for record in store.open(run).records()] == ["trial-1", "trial-0"]

    def test_a_changed_sweep_is_refused_with_its_changes(self, run: str) -> None:
        store.create(run, IDENTITY).commit(make_record(1))
        changed = replace(IDENTITY, config={"trials": 4, "prefix": "é"}, hashes={"task": "t2"})
        with pytest.raises(StoreError) as refused:
            store.create(run, changed)
        assert str(refused.value) == (
            f"{run}: can't resume: these settings changed since the sweep began: "
            f"trials (4, was 3); task (contents); "
            "use another --run, or undo the change"
        )
        assert [record.trial_id for record in store.open(run).records()] == ["trial-1"]

    def test_a_record_of_another_sweep_is_refused(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        with pytest.raises(StoreError, match="sweep_id must be 'quickstart-1a2b', got 'foreign'"):
            writer.commit(make_record(1, sweep_id="foreign"))

    @pytest.mark.parametrize("table", TABLES)
    def test_a_damaged_file_is_named(self, run: str, table: str) -> None:
        store.create(run, IDENTITY).commit(make_record(1))
        name = f"tables/{table}/trial-1.parquet"
        whole = content_of(run, name)
        for content in (whole[:-1], b"", whole + b"x", None):
            damage(run, name, content)
            with pytest.raises(StoreError, match=name):
                store.open(run)
        for content in (b"\0" * len(whole), whole[:4] + b"\xff" * 40 + whole[44:]):
            damage(run, name, content)
            with pytest.raises(StoreError, match=name):
                store.open(run).records()
        damage(run, name, whole)
        assert store.open(run).records() == [make_record(1)]

    @pytest.mark.parametrize("name", ["commits/trial-1.json", "sweep.json"])
    def test_damaged_json_is_named(self, run: str, name: str) -> None:
        store.create(run, IDENTITY).commit(make_record(1))
        for content in (b"", b"{", b"[]", b"{}", b"\xff", content_of(run, name)[:60]):
            damage(run, name, content)
            with pytest.raises(StoreError, match=name):
                store.open(run)

    @pytest.mark.parametrize("name", ["commits/trial-1.json", "sweep.json"])
    def test_another_schema_version_is_refused(self, run: str, name: str) -> None:
        store.create(run, IDENTITY).commit(make_record(1))
        damage(run, name, content_of(run, name).replace(b'"schema_version": 3', b'"schema_version": 2'))
        with pytest.raises(StoreError, match=f"{name}: schema_version must be 3, got 2"):
            store.open(run)

    def test_uncommitted_and_temporary_files_do_no_harm(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        for name in (
            "tables/steps/trial-1.parquet",
            "tables/steps/.trial-1.parquet.tmp",
            "commits/.trial-1.json.tmp",
        ):
            damage(run, name, b"half")
        assert store.open(run).records() == []
        assert writer.committed_ids() == frozenset()
        writer.commit(make_record(1))
        assert store.open(run).records() == [make_record(1)]

    def test_a_reader_sees_the_state_at_opening(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        writer.commit(make_record(1))
        reader = store.open(run)
        writer.commit(make_record(2))
        assert reader.trials().num_rows == 1
        assert {row["trial_id"] for row in reader.generations().to_pylist()} == {"trial-1"}
        assert store.open(run).trials().num_rows == 2

    def test_commits_without_an_identity_are_not_taken_over(self, run: str) -> None:
        store.create(run, IDENTITY).commit(make_record(1))
        damage(run, "sweep.json", None)
        with pytest.raises(StoreError, match="committed trials exist but sweep"):
            store.create(run, IDENTITY)

    def test_no_run(self, run: str) -> None:
        with pytest.raises(StoreError) as refused:
            store.open(run)
        for part in (run, "sweep.json", "--run"):
            assert part in str(refused.value)

    def test_export_next_to_the_run(self, run: str) -> None:
        store.create(run, IDENTITY).commit(make_record(1))
        paths = store.open(run).export("all", "parquet", f"{run}/export")
        assert paths == tuple(f"{run}/export/{table}.parquet" for table in TABLES)
        for path in paths:
            with fsspec.open(path) as file:
                assert file.read(4) == b"PAR1"

    def test_the_points_of_a_training_are_committed_together(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        first, second = make_points(1), make_points(2, tuple(1 - share / 20 for share in range(12)))
        writer.commit(make_record(3))
        writer.commit(*second)
        writer.commit(*first)
        reader = store.open(run)
        assert reader.records() == [make_record(3), *second, *first]
        assert writer.committed_ids() == store.trial_ids(run) == {"trial-1", "trial-2", "trial-3"}
        trials = reader.trials()
        assert trials["training_id"].to_pylist() == [None, *["trial-2"] * 12, *["trial-1"] * 3]
        assert trials["share"].to_pylist()[-3:] == [1.0, 0.75, 0.5]
        costs = [record.train_tokens for record in reader.records()]
        assert sum(filter(None, costs)) == sum(filter(None, (costs[0], costs[1], costs[13])))
        assert reader.record("trial-1.2") == first[1]
        with pytest.raises(StoreError, match="committed once, got 'trial-1'"):
            writer.commit(*first)

    def test_a_point_is_completed_alone(self, run: str) -> None:
        writer = store.create(run, IDENTITY)
        points = make_points(1)
        waiting = [replace(point, status="unjudged", objective=None) for point in points[1:]]
        writer.commit(points[0], *waiting)
        writer.commit(make_record(2))
        writer.complete(points[2])
        assert store.open(run).records() == [points[0], waiting[0], make_record(2), points[2]]
        store.create(run, IDENTITY).complete(points[1])
        assert store.open(run).records() == [points[0], make_record(2), points[2], points[1]]
        with pytest.raises(StoreError, match="it was completed before"):
            writer.complete(points[1])

    def test_readers_without_points_refuse_a_training_with_several(self, run: str) -> None:
        """They look for `files`, and would otherwise read the first point only."""
        store.create(run, IDENTITY).commit(*make_points(1))
        fields = json.loads(content_of(run, "commits/trial-1.json"))
        assert "files" not in fields
        assert [point["trial_id"] for point in fields["points"]] == ["trial-1", "trial-1.2", "trial-1.3"]
        store.create(run, IDENTITY).commit(make_record(2))
        assert set(json.loads(content_of(run, "commits/trial-2.json"))) == {
            "trial_id", "sequence", "files", "schema_version",
        }  # fmt: skip

    def test_a_damaged_file_of_a_point_is_named_with_the_commit_to_delete(self, run: str) -> None:
        store.create(run, IDENTITY).commit(*make_points(1))
        damage(run, "tables/steps/trial-1.2.parquet", None)
        with pytest.raises(StoreError, match=r"trial-1\.2\.parquet: .* delete commits/trial-1\.json to drop"):
            store.open(run)
