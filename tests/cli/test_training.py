"""The command `train`."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lookahead_ray import store
from lookahead_ray.cli.main import app
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.saving import LAST_FILE
from tests.factory import make_record


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", *arguments], prog_name="lookahead-ray")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Job]:
    """The jobs that were run: each writes a file and is measured, or fails as its seed says."""
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text("task: {name: word_problems}\npreview: {strategy: true}\n")
    Path("space.yaml").write_text(
        "task: {name: word_problems}\npreview: {choice: [{strategy: true, length_tokens: {int: [1, 4]}}]}\n"
        "training: {learning_rate: {loguniform: [1e-5, 1e-3]}}\n"
    )
    ran: list[Job] = []

    def run_alone(job: Job, sweep_id: str, log: Path, observer: Any) -> TrialRecord:
        ran.append(job)
        assert job.saving is not None
        seed = job.config["seed"]
        if seed != 1:
            (Path(job.saving.directory) / LAST_FILE).write_text("{}")
        if seed == 2:
            raise KeyboardInterrupt
        made = replace(
            make_record(5, sweep_id=sweep_id), trial_id=job.trial_id, config=job.config, params=job.params
        )
        return made if seed == 0 else replace(made, status="failed", error="rank 0: boom")

    fake: dict[str, dict[str, Any]] = {
        "lookahead_ray.sweep.preflight": {"check": lambda sweep, **options: None},
        "lookahead_ray.sweep.single": {"run_alone": run_alone},
    }
    for name, functions in fake.items():
        module = ModuleType(name)
        module.__dict__.update(functions)
        monkeypatch.setitem(sys.modules, name, module)
    return ran


def test_a_model_a_card_and_tables(jobs: list[Job]) -> None:
    result = invoke("one.yaml", "--output", "models/mine", "--set", "training.epochs=1")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in Path("models").rglob("*")) == ["README.md", "mine", LAST_FILE]
    assert Path("models/mine").stat().st_mode & 0o777 == 0o755
    (job,) = jobs
    assert (job.trains, job.config["training"]["epochs"]) == (True, 1)
    card = Path("models/mine/README.md").read_text()
    assert "lookahead-ray train one.yaml --output models/mine --set training.epochs=1" in card
    run = result.stdout.splitlines()[-1].removeprefix("tables").strip()
    assert run.startswith("runs/train-one-")
    (stored,) = store.open(run).records()
    assert (stored.role, stored.status, stored.trial_id) == ("search", "completed", job.trial_id)
    assert "finished: true, 6 tokens" in result.stdout
    assert invoke("one.yaml", "--output", "again", "--set", "training.epochs=1").exit_code == 0
    assert len(store.open(run).records()) == 2


def test_a_sweeps_file_with_every_dimension_set(jobs: list[Job]) -> None:
    settings = ["--set", "preview={strategy: true, length_tokens: 2}"]
    left = invoke("space.yaml", "--output", "out", *settings)
    assert left.exit_code == 2
    assert left.stderr == (
        "error: space.yaml: training.learning_rate: must be one value to train, got a search dimension "
        "(training.learning_rate: loguniform from 1e-05 to 0.001); "
        "set it with --set training.learning_rate=VALUE\n"
    )
    assert "preview: must be one value" in invoke("space.yaml", "--output", "out").stderr
    assert not jobs
    settings += ["--set", "training.learning_rate=1e-4"]
    assert invoke("space.yaml", "--output", "out", *settings).exit_code == 0
    assert jobs[0].config["preview"]["length_tokens"] == 2


@pytest.mark.parametrize("kind", ["full", "file", "link"])
def test_what_is_there_is_not_touched(jobs: list[Job], kind: str) -> None:
    output = Path("out")
    if kind == "full":
        output.mkdir()
        (output / "thesis.tex").write_text("x")
    elif kind == "file":
        output.write_text("x")
    else:
        output.symlink_to("nowhere")
    result = invoke("one.yaml", "--output", "out")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --output: must be a new or an empty directory, got out")
    assert not jobs


def test_an_empty_directory_is_filled(jobs: list[Job]) -> None:
    Path("out").mkdir()
    assert invoke("one.yaml", "--output", "out").exit_code == 0
    assert Path("out/README.md").is_file()


@pytest.mark.parametrize(("seed", "code"), [(1, 2), (2, 130)])
def test_no_directory_is_left_by_what_did_not_end_well(jobs: list[Job], seed: int, code: int) -> None:
    result = invoke("one.yaml", "--output", "models/out", "--set", f"seed={seed}")
    assert result.exit_code == code
    assert list(Path("models").iterdir()) == []
    assert ("rank 0: boom" in result.stderr) == (seed == 1)


def test_a_model_that_could_not_be_measured_is_kept_under_another_name(jobs: list[Job]) -> None:
    result = invoke("one.yaml", "--output", "models/out", "--set", "seed=3")
    assert result.exit_code == 2
    (kept,) = Path("models").iterdir()
    assert kept.name.startswith(".out-")
    assert f"rank 0: boom; the trained model, not measured in full, is in {kept.absolute()}" in result.stderr
    (stored,) = store.open(next(str(path) for path in Path("runs").iterdir())).records()
    assert (stored.status, stored.error) == ("failed", "rank 0: boom")


def test_an_adapter_needs_one(jobs: list[Job]) -> None:
    result = invoke("one.yaml", "--output", "out", "--adapter")
    assert result.stderr == "error: one.yaml: training.lora: must be set with --adapter, got null\n"
    settings = ["--set", "training.lora={rank: 4}"]
    assert invoke("one.yaml", "--output", "out", "--adapter", *settings).exit_code == 0
    assert jobs[0].saving is not None
    assert jobs[0].saving.adapter
