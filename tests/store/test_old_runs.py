"""Runs of earlier versions, stored in `old_runs`: they are read, continued, reported and exported.

Each was written by `old_runs/write_run.py` with the store and the test factory of a commit:

    git worktree add --detach /tmp/old COMMIT
    cd /tmp/old && PYTHONPATH=. python …/tests/store/old_runs/write_run.py DIRECTORY

| directory | commit  | what it is                                                        |
| --------- | ------- | ----------------------------------------------------------------- |
| 1         | e8f9935 | the last commit of schema version 1                               |
| 2         | 698913d | the last commit of schema version 2                               |
| 3_250b901 | 250b901 | schema version 3, before the packages were reorganised            |
| 3_cc3b536 | cc3b536 | schema version 3, before a trial's record held its measurement    |
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from lookahead_ray import store
from lookahead_ray.cli.main import app
from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.entrypoints.sweep import open_sink
from lookahead_ray.errors import StoreError
from lookahead_ray.store.conversion import to_tables
from lookahead_ray.store.schemas import ADDED
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.sweep.search.jobs import reference_jobs
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.trial.record import Rate, Signal
from tests.factory import make_record

HERE = Path(__file__).parent / "old_runs"
CURRENT = ("3_250b901", "3_cc3b536")
EARLIER = {"1": 1, "2": 2}
"""Directory -> schema version that only `analysis` may read."""
HASHES = {"model": "m0", "task": "t0"}


@pytest.fixture(params=CURRENT)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A copy of a stored run of the current schema version."""
    return str(shutil.copytree(HERE / request.param, tmp_path / "run"))


@pytest.fixture(params=EARLIER)
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A copy of a stored run of an earlier schema version."""
    return str(shutil.copytree(HERE / request.param, tmp_path / request.param))


def command(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], prog_name="lookahead-ray")
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_values_are_read(run: str) -> None:
    seed, vanilla, candidate, failed = store.open(run).records()
    assert [record.trial_id for record in (seed, vanilla, candidate, failed)] == [
        "seed",
        "vanilla",
        "search-001",
        "search-002",
    ]
    assert seed.rsr == Rate(0.75, 0.46769466506643426, 0.9110583316059453, 12, 2)
    assert (vanilla.objective, vanilla.objectives) == (0.020183895594898082, (0.9332501453870669,))
    assert (candidate.role, candidate.status, candidate.restarts) == ("search", "completed", 0)
    assert candidate.params == {"preview.length_tokens": 4}
    assert candidate.config["preview"]["length_tokens"] == 4
    assert (candidate.safety, candidate.kl[:2]) == (0.75, (0.7211330200133842, 0.5185283450144015))
    measured = candidate.measurement
    assert measured
    assert (measured.workers, measured.zero_stage, measured.train_tokens) == (2, 2, 2000)
    assert (measured.flops, measured.seconds_train, candidate.seconds_total) == (1.62e12, 3.0, 7.2)
    assert (measured.model_hash, measured.versions["torch"], measured.stopped) == ("5eed", "2.13.0", False)
    assert [step.loss for step in measured.steps] == [0.6572279833182191, 1.3750489329934523]
    assert measured.signals[0] == Signal(1, 1000, 0.9587851678739083, None, 0.25)
    assert (len(measured.generations), len(measured.token_kl)) == (48, 60)
    assert (failed.status, failed.error) == ("failed", "rank 0: ValueError: no")
    assert (failed.measurement, failed.seconds_total) == (None, 4.0)


def test_records_give_the_rows_that_the_files_hold(run: str) -> None:
    for record in store.open(run).each_record():
        for name, table in to_tables(record).items():
            file = Path(run, "tables", name, f"{record.trial_id}.parquet")
            stored = pq.read_table(file)
            assert set(table.column_names) - set(stored.column_names) <= set(ADDED.get(name, ())), file
            assert stored.to_pylist() == table.select(stored.column_names).to_pylist(), file


def test_a_sweep_continues_there(run: str) -> None:
    """Do what `sweep --resume` does: same identity, no second reference, the next trial's name, a commit."""
    sweep = load_sweep(HERE / "space.yaml")
    assert store.precision_of(run) == "fp32"
    sink = open_sink(sweep, store.Hold(run), HASHES)
    assert sink.sweep_id == "old"
    assert [record.trial_id for record in sink.committed] == ["seed", "vanilla", "search-001", "search-002"]
    assert {row.answer for record in sink.committed for row in record.generations} == {""}
    assert reference_jobs(sweep, sink.committed) == []
    job = Search(sweep, sink.committed, sweep_id=sink.sweep_id).ask()
    assert job is not None
    assert job.trial_id == "search-003"
    sink.commit(replace(make_record(1, sweep_id="old"), trial_id=job.trial_id, config=job.config))
    assert [record.trial_id for record in store.open(run).each_summary()][-1] == "search-003"


def test_a_changed_space_or_changed_contents_do_not_continue_there(run: str) -> None:
    changed = load_sweep(HERE / "space.yaml", ["training.epochs=3"])
    with pytest.raises(StoreError, match=r"can't resume: .* training.epochs \(3, was 2\);"):
        open_sink(changed, store.Hold(run), HASHES)
    with pytest.raises(StoreError, match=r"can't resume: .* task \(contents\);"):
        open_sink(load_sweep(HERE / "space.yaml"), store.Hold(run), {**HASHES, "task": "t1"})


def test_recommendation_and_reports(run: str, tmp_path: Path) -> None:
    from analysis.report import write_report

    found = recommend(store.open(run).records(), WeightedObjective())
    assert found.trial_id is None
    assert "the closest, true preview of 4 tokens, trial search-001, has RSR 58 %" in found.sentence
    printed = command("tables", run)
    assert "58 % [32, 81] 92 % [65, 99] 33 % [14, 61]" in printed
    assert "rows     trials 4, steps 6, signals 9, generations 144, token_kl 180" in printed
    write_report([run], tmp_path / "report.html")
    assert "true, 4 tokens" in (tmp_path / "report.html").read_text()


def test_export(run: str, tmp_path: Path) -> None:
    command("tables", run, "--format", "csv", "--out", str(tmp_path / "csv"))
    lines = (tmp_path / "csv" / "steps.csv").read_text().splitlines()
    assert len(lines) == 1 + 6
    assert lines[-1].split(",")[1:3] == ['"search-001"', "2"]


def test_the_store_refuses_earlier_schema_versions_in_one_line(earlier: str) -> None:
    version = EARLIER[Path(earlier).name]
    said = f"sweep.json: schema_version must be 3, got {version}; read the run with the lookahead_ray that"
    with pytest.raises(StoreError, match=said):
        store.open(earlier)
    before = sorted(path.name for path in Path(earlier).rglob("*"))
    with pytest.raises(StoreError, match=said):
        open_sink(load_sweep(HERE / "space.yaml"), store.Hold(earlier), HASHES)
    assert sorted(path.name for path in Path(earlier).rglob("*")) == before


def test_analysis_reads_version_2_and_refuses_version_1(tmp_path: Path) -> None:
    from analysis.report import write_report
    from analysis.runs import open_runs

    second = str(HERE / "2")
    trials = open_runs([second]).table("trials", ("trial_id", "rsr", "objective", "restarts", "preparation"))
    assert trials.to_pylist()[2] == {
        "run": "2",
        "trial_id": "search-001",
        "rsr": 0.5833333333333334,
        "objective": 0.6499182620349571,
        "restarts": None,
        "preparation": "{}",
    }
    assert open_runs([second]).table("signals").num_rows == 0
    assert open_runs([second]).table("generations", ("suffix",)).num_rows == 144
    write_report([second], tmp_path / "report.html")
    assert "true, 4 tokens" in (tmp_path / "report.html").read_text()
    with pytest.raises(StoreError, match="schema_version must be 2 or 3, got 1; read the run with the"):
        open_runs([str(HERE / "1")])


def test_what_is_stored_is_of_the_version_that_the_table_says() -> None:
    """Guard against a run that was written again with newer code."""
    for folder, version in {**EARLIER, **dict.fromkeys(CURRENT, 3)}.items():
        assert json.loads((HERE / folder / "sweep.json").read_text())["schema_version"] == version
        commits = sorted((HERE / folder / "commits").iterdir())
        assert [json.loads(path.read_text())["schema_version"] for path in commits] == [version] * 4
        assert all(path.stat().st_size < 60_000 for path in (HERE / folder).rglob("*"))
