"""The report's command is valid, and its YAML file gives the recorded configuration."""

import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer.main
from typer.testing import CliRunner

from analysis.report.page import run_parts
from analysis.report.reproduce import again
from lookahead_ray.cli.main import app
from lookahead_ray.config.load import Sweep, load_sweep, trial_json
from lookahead_ray.store import SweepIdentity
from tests.analysis.report.runs import write_run
from tests.factory import make_record

SPACES = sorted(Path("tuning_spaces").glob("*.yaml"))


def parsed(command: str) -> tuple[str, dict[str, Any]]:
    """Parse a command with the real command line, without running it."""
    program, verb, *words = shlex.split(command)
    assert program == "lookahead-ray"
    group = typer.main.get_command(app)
    context = group.make_context(program, [verb])
    found = group.get_command(context, verb).make_context(verb, words, parent=context)  # type: ignore[attr-defined]
    return verb, found.params


def identity_of(sweep: Sweep) -> SweepIdentity:
    return SweepIdentity.new(sweep.name, sweep.hash, sweep.resolved)


@pytest.mark.parametrize("space", SPACES, ids=lambda path: path.stem)
def test_every_space_reads_back(space: Path, tmp_path: Path) -> None:
    sweep = load_sweep(space)
    made = again(identity_of(sweep), pa.table({"config": pa.array([], pa.string())}))
    (tmp_path / made.file).write_text(made.yaml, encoding="utf-8")
    assert load_sweep(tmp_path / made.file).hash == sweep.hash
    verb, values = parsed(made.command)
    assert (verb, values["space"]) == ("sweep", made.file)


def test_runs_of_train_and_evaluate(tmp_path: Path) -> None:
    config = trial_json(load_sweep(Path("tuning_spaces/quickstart.yaml")).reference())
    trials = pa.table({"config": ['{"model": {"path": "models/mine"}}']})
    made = again(SweepIdentity.new("train quickstart", "x", config), trials)
    verb, values = parsed(made.command)
    assert (verb, values["config"], made.file) == ("train", "quickstart.yaml", "quickstart.yaml")
    (tmp_path / made.file).write_text(made.yaml, encoding="utf-8")
    assert trial_json(load_sweep(tmp_path / made.file).reference()) == config
    measured = {name: config[name] for name in ("task", "safety", "evaluation")}
    made = again(SweepIdentity.new("evaluate quickstart", "x", measured), trials)
    verb, values = parsed(made.command)
    assert (verb, values["model"], values["space"]) == ("evaluate", "models/mine", "quickstart.yaml")
    (tmp_path / made.file).write_text(made.yaml, encoding="utf-8")
    again_measured = trial_json(load_sweep(tmp_path / made.file).reference())
    assert {name: again_measured[name] for name in measured} == measured


@pytest.mark.slow
def test_the_reports_yaml_validates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = load_sweep(Path("tuning_spaces/quickstart.yaml"))
    identity = identity_of(sweep)
    record = make_record(1, sweep_id=identity.sweep_id)
    origin = run_parts(write_run(tmp_path / "run", [record], identity), "r1")["after"][-1]
    code = dict(origin.code)
    monkeypatch.chdir(tmp_path)
    _, values = parsed(code["Run it again"])
    Path(values["space"]).write_text(code[values["space"]], encoding="utf-8")
    result = CliRunner().invoke(app, ["validate", values["space"]])
    assert result.exit_code == 0, result.output
    assert "ok" in result.output
