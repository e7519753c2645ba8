"""The commands of the replay."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from benchmarks.search.__main__ import app
from benchmarks.search.grid_table import write_grid
from tests.benchmarks.search.grids import ABOUT, grid, grid_of_shares, records
from tests.benchmarks.search.synthetic_grid import synthetic_grid


@pytest.mark.slow
def test_the_command_prints_figures_and_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "grid.parquet"
    write_grid(file, records(synthetic_grid(0)), ABOUT)  # the commands read the space of the whole grid
    common = ["--grid", str(file), "--out", str(tmp_path)]
    found = CliRunner().invoke(app, ["replay", "--seeds", "2", *common])
    assert found.exit_code == 0, found.output
    assert found.output.count("met: ours needs") == 2
    assert len(list(tmp_path.glob("search-*.png"))) == 1
    (written,) = tmp_path.glob("search-*.json")
    content = json.loads(written.read_text(encoding="utf-8"))
    assert content["seeds"] == 2
    assert content["searchers"].keys() >= {"ours", "random", "grid", "optunasearch"}
    found = CliRunner().invoke(app, ["signals", "--orders", "2", *common])
    assert found.exit_code == 0, found.output
    (written,) = tmp_path.glob("signals-*.json")
    assert json.loads(written.read_text(encoding="utf-8"))["discards"]


@pytest.mark.slow
def test_a_grid_of_shares_is_replayed_with_other_searchers_and_under_a_floor(tmp_path: Path) -> None:
    whole, file, space = grid_of_shares(), tmp_path / "grid.parquet", tmp_path / "space.yaml"
    write_grid(file, records(whole), ABOUT, whole.prompts, whole.answers)
    search = {"reference": {"training.epochs": 1}}
    space.write_text(yaml.safe_dump({**whole.sweep.template, "search": search}), encoding="utf-8")
    common = ["--grid", str(file), "--space", str(space), "--out", str(tmp_path)]
    found = CliRunner().invoke(app, ["replay", "--seeds", "2", *common])
    assert found.exit_code == 0, found.output
    assert found.output.count("the target is at most") == 3
    (written,) = tmp_path.glob("search-*.json")
    content = json.loads(written.read_text(encoding="utf-8"))
    assert content["searchers"].keys() >= {"ours", "ours_sequential", "tpe_share", "halving", "random"}
    found = CliRunner().invoke(app, ["floor", "--seeds", "2", "--least", "0.6", *common])
    assert found.exit_code == 0, found.output
    assert "met: shares need" in found.output
    found = CliRunner().invoke(app, ["signals", *common])
    assert found.exit_code == 1


def test_an_unknown_searcher_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "grid.parquet"
    write_grid(file, records(grid()), ABOUT)
    found = CliRunner().invoke(app, ["replay", "--grid", str(file), "--searchers", "halved"])
    assert found.exit_code == 1
    assert "--searchers must be of ours, ours_stopping" in found.output


def test_a_missing_grid_is_one_line(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["signals", "--grid", str(tmp_path / "none.parquet")])
    assert found.exit_code == 1
    assert "none.parquet: cannot be read as a grid" in found.output
