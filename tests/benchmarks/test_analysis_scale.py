"""The synthetic runs are valid, and the benchmark of the analysis measures its commands on them."""

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from analysis.runs import open_runs
from benchmarks.analysis_scale.__main__ import main
from benchmarks.analysis_scale.synthesis import synthesise
from benchmarks.analysis_scale.watch import watch
from benchmarks.common import BenchmarkError
from lookahead_ray import store
from lookahead_ray.store.schemas import SCHEMAS


def test_a_made_up_run_is_one(tmp_path: Path) -> None:
    synthesise(tmp_path / "run", 12, 40)
    run = store.open(str(tmp_path / "run"))
    assert run.trials().num_rows == 14
    assert run.generations().schema.equals(SCHEMAS["generations"], check_metadata=True)
    assert run.generations().num_rows == 14 * 40
    stored = {
        (row["trial_id"], row["metric"]): row for row in store.recompute_rates(run.generations()).to_pylist()
    }
    for row in run.trials().to_pylist():
        for metric in ("rsr", "jsr", "over_refusal", "utility"):
            assert row[metric] == pytest.approx(stored[row["trial_id"], metric]["value"])
    assert len({record.config_hash for record in run.records()}) == 13  # the references share one


def test_another_seed_makes_repeats(tmp_path: Path) -> None:
    for seed in (0, 1):
        synthesise(tmp_path / str(seed), 3, 8, seed)
    sql = "SELECT count(DISTINCT config_hash) AS n FROM trials"
    assert open_runs([str(tmp_path / "0"), str(tmp_path / "1")]).sql(sql).to_pylist() == [{"n": 8}]


def test_memory_of_children_counts(tmp_path: Path) -> None:
    child = "import time; x = bytearray(200 << 20); time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    raw = watch([sys.executable, "-c", parent], tmp_path / "log")
    assert raw["peak_rss_mib"] > 200
    assert raw["seconds"] > 1


def test_a_failed_command_is_reported(tmp_path: Path) -> None:
    code = "import sys; print('so it goes', file=sys.stderr); sys.exit(3)"
    with pytest.raises(BenchmarkError, match=r"(?s)ended with code 3.*so it goes"):
        watch([sys.executable, "-c", code], tmp_path / "log")


@pytest.mark.slow
def test_the_benchmark_at_a_tiny_size(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    words = [
        "--trials",
        "12",
        "--rows",
        "480",
        "--out",
        str(tmp_path / "out"),
        "--keep",
        str(tmp_path / "kept"),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    (written,) = (tmp_path / "out").glob("analysis-scale-*.json")
    rows = {row["name"]: row for row in json.loads(written.read_text(encoding="utf-8"))["commands"]}
    assert rows["report"]["met"]
    assert set(rows) >= {"report", "paper table 1", "paper figure 3", "compare", "query", "query only"}
    assert all(row["seconds"] > 0 and row["peak_rss_mib"] > 50 for row in rows.values())
    assert (tmp_path / "kept" / "report.html").stat().st_size > 1_000_000
