"""The command `train`."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lookahead_ray import store
from lookahead_ray.cli.main import app
from lookahead_ray.entrypoints import train
from lookahead_ray.errors import ConfigError, ModelError, StoreError
from lookahead_ray.store.writer import Store
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.model_export import LAST_FILE
from lookahead_ray.trial.record import TrialRecord
from tests.entrypoints.hub_stub import TOKEN, serve
from tests.factory import make_record

WEIGHTS = "model.safetensors"
INTERRUPTED, BOOM, REFUSED, HALF_WRITTEN = 2, 4, 5, 6
ENDINGS: dict[int, Callable[[], BaseException]] = {
    INTERRUPTED: KeyboardInterrupt,
    BOOM: lambda: RuntimeError("boom\nand more"),
    REFUSED: lambda: ConfigError("too few GPUs"),
    HALF_WRITTEN: KeyboardInterrupt,
}
"""Random seed -> what ends the trial after its model was written."""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", *arguments], prog_name="lookahead-ray")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Job]:
    """Collect the jobs that run: each writes a file and is measured, or fails as its random seed says."""
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text("task: {name: word_problems}\npreview: {strategy: true}\n")
    Path("space.yaml").write_text(
        "task: {name: word_problems}\npreview: {choice: [{strategy: true, length_tokens: {int: [1, 4]}}]}\n"
        "training: {learning_rate: {loguniform: [1e-5, 1e-3]}}\n"
    )
    ran: list[Job] = []

    def run_alone(job: Job, sweep_id: str, log: Path, observer: Any, trackers: Any) -> TrialRecord:
        ran.append(job)
        assert job.saving is not None
        seed = job.config["seed"]
        if seed != 1:
            (Path(job.saving.directory) / WEIGHTS).write_text("weights")
        if seed not in (1, HALF_WRITTEN):
            (Path(job.saving.directory) / LAST_FILE).write_text("{}")
        if seed in ENDINGS:
            raise ENDINGS[seed]()
        made = replace(
            make_record(5, sweep_id=sweep_id), trial_id=job.trial_id, config=job.config, params=job.params
        )
        return made if seed == 0 else replace(made, status="failed", error="rank 0: boom")

    fake: dict[str, dict[str, Any]] = {
        "lookahead_ray.sweep.preflight": {"check": lambda sweep, **options: SimpleNamespace(remarks=[])},
        "lookahead_ray.sweep.run_one": {"run_alone": run_alone},
    }
    for name, functions in fake.items():
        module = ModuleType(name)
        module.__dict__.update(functions)
        monkeypatch.setitem(sys.modules, name, module)
    return ran


def test_a_model_a_card_and_tables(jobs: list[Job]) -> None:
    result = invoke("one.yaml", "--output", "models/mine", "--set", "training.epochs=1")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in Path("models").rglob("*")) == [
        "README.md",
        "mine",
        WEIGHTS,
        LAST_FILE,
    ]
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
        "set it, such as --set training.learning_rate=0.0001\n"
    )
    assert "preview: must be one value" in invoke("space.yaml", "--output", "out").stderr
    assert not jobs
    settings += ["--set", "training.learning_rate=1e-4"]
    assert invoke("space.yaml", "--output", "out", *settings).exit_code == 0
    assert jobs[0].config["preview"]["length_tokens"] == 2


def test_several_shares_of_a_merge_are_refused(jobs: list[Job]) -> None:
    refused = invoke("one.yaml", "--output", "out", "--set", "merge={share: [1.0, 0.5]}")
    assert refused.exit_code == 2
    assert refused.stderr == (
        "error: one.yaml: merge.share: must be one number to train, got the list [1.0, 0.5]\n"
    )
    assert not jobs


@pytest.mark.parametrize("kind", ["full", "file", "link"])
def test_an_existing_output_is_not_changed(jobs: list[Job], kind: str) -> None:
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


@pytest.mark.parametrize(("seed", "code"), [(1, 2), (HALF_WRITTEN, 130)])
def test_a_failed_trial_leaves_no_directory(jobs: list[Job], seed: int, code: int) -> None:
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


def only_line(result: Result) -> str:
    (line,) = result.stderr.splitlines()
    return line


def kept_aside() -> Path:
    """Return the only directory there, under its temporary name."""
    (kept,) = Path("models").iterdir()
    assert kept.name.startswith(".out-")
    assert kept.stat().st_mode & 0o777 == 0o755
    assert (kept / WEIGHTS).is_file()
    assert (kept / LAST_FILE).is_file()
    return kept.absolute()


@pytest.mark.parametrize(
    ("seed", "code", "begins"),
    [
        (INTERRUPTED, 130, "interrupted"),
        (BOOM, 1, "error: RuntimeError: boom"),
        (REFUSED, 2, "error: too few GPUs"),
    ],
)
def test_whatever_ends_the_measurement_keeps_the_model(
    jobs: list[Job], seed: int, code: int, begins: str
) -> None:
    settings = ["--set", f"seed={seed}", "--set", "task.test_examples=4"]
    result = invoke("one.yaml", "--output", "models/out", *settings)
    assert result.exit_code == code
    kept = kept_aside()
    command = f"lookahead-ray evaluate {kept} --space one.yaml {' '.join(settings)}"
    expected = f"{begins}; the trained model, not measured in full, is in {kept}; measure it with: {command}"
    assert only_line(result).startswith(expected)
    again = invoke("one.yaml", "--output", "models/out")  # the same output path is free
    assert again.exit_code == 0


def test_the_command_that_measures_is_understood(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """Enqueued points may name a dimension that the command fixes."""
    with Path("space.yaml").open("a") as file:
        file.write("search: {enqueue: [{preview: true}]}\n")
    settings = ["--set", "preview={strategy: true, length_tokens: 2}", "--set", "training.learning_rate=1e-4"]
    line = only_line(invoke("space.yaml", "--output", "it's", *settings, "--set", f"seed={BOOM}"))
    command = line.partition("measure it with: lookahead-ray ")[2].partition(" (traceback")[0]

    def check(sweep: Any, **options: Any) -> None:
        raise ModelError(f"asked for {sweep.reference().model.path}")

    monkeypatch.setattr(sys.modules["lookahead_ray.sweep.preflight"], "check", check)
    result = CliRunner().invoke(app, shlex.split(command), prog_name="lookahead-ray")
    (kept,) = (path for path in Path().iterdir() if path.name.startswith(".it's-"))
    assert result.stderr == f"error: asked for {kept.absolute()}\n"


def test_the_card_of_an_unmeasured_adapter_explains_loading(jobs: list[Job]) -> None:
    settings = ["--adapter", "--set", "training.lora={rank: 4}", "--set", f"seed={BOOM}"]
    result = invoke("one.yaml", "--output", "models/out", *settings)
    kept = kept_aside()
    assert f"is in {kept}; load it with peft: PeftModel.from_pretrained(model, '{kept}')" in only_line(result)
    assert "lookahead-ray evaluate" not in only_line(result)


def finished(result: Result, card: bool = True) -> None:
    """Assert that the whole model is at its path, and the last line says so."""
    assert [path.name for path in Path("models").iterdir()] == ["out"]
    assert sorted(path.name for path in Path("models/out").iterdir()) == ["README.md"] * card + [
        WEIGHTS,
        LAST_FILE,
    ]
    assert Path("models/out").stat().st_mode & 0o777 == 0o755
    assert (
        "; the trained model is in models/out; measure it again with: lookahead-ray evaluate models/out "
        in (only_line(result))
    )


@pytest.mark.parametrize(
    ("error", "code", "begins"),
    [
        (StoreError("runs/x: cannot write: No space left"), 2, "error: runs/x: cannot write: No space left"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError("x"), 1, "error: MemoryError: x"),
    ],
)
def test_the_model_is_kept_if_tables_cannot_be_written(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, begins: str
) -> None:
    def fails(writer: Any, record: TrialRecord) -> None:
        raise error

    monkeypatch.setattr(Store, "commit", fails)
    result = invoke("one.yaml", "--output", "models/out")
    assert result.exit_code == code
    assert only_line(result).startswith(begins)
    finished(result)


def test_tables_that_cannot_be_written_after_a_failure_keep_the_model_too(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(writer: Any, record: TrialRecord) -> None:
        raise StoreError("runs/x: cannot write")

    monkeypatch.setattr(Store, "commit", fails)
    result = invoke("one.yaml", "--output", "models/out", "--set", "seed=3")
    assert f"cannot write; the trained model, not measured in full, is in {kept_aside()}" in only_line(result)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("a bug")], ids=repr)
def test_a_card_that_cannot_be_written(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*arguments: Any) -> str:
        raise error

    monkeypatch.setattr(train, "model_card", fails)
    result = invoke("one.yaml", "--output", "models/out")
    assert result.exit_code in (1, 2)
    finished(result, card=False)
    (stored,) = store.open(next(str(path) for path in Path("runs").iterdir())).records()
    assert stored.status == "completed"
    if isinstance(error, OSError):
        assert "error: models/out/README.md: cannot be written: No space left on device; the" in result.stderr


def test_neither_card_nor_tables(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> Any:
        raise OSError(28, "No space left on device")

    def refuses(writer: Any, record: TrialRecord) -> None:
        raise StoreError("runs/x: cannot write")

    monkeypatch.setattr(train, "model_card", fails)
    monkeypatch.setattr(Store, "commit", refuses)
    result = invoke("one.yaml", "--output", "models/out")
    finished(result, card=False)
    problem = "runs/x: cannot write; models/out/README.md: cannot be written: No space left on device; the"
    assert problem in only_line(result)


def test_a_place_that_was_taken_meanwhile(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    card = train.model_card

    def takes(*arguments: Any) -> str:
        Path("models/out").mkdir()
        Path("models/out/thesis.tex").write_text("x")
        return card(*arguments)

    monkeypatch.setattr(train, "model_card", takes)
    result = invoke("one.yaml", "--output", "models/out")
    assert result.exit_code == 2
    assert [path.name for path in Path("models/out").iterdir()] == ["thesis.tex"]
    (kept,) = (path for path in Path("models").iterdir() if path.name != "out")
    assert sorted(path.name for path in kept.iterdir()) == ["README.md", WEIGHTS, LAST_FILE]
    assert "error: --output: models/out cannot be made: Directory not empty; the" in only_line(result)
    assert f"the trained model is in {kept.absolute()}; " in only_line(result)
    (stored,) = store.open(next(str(path) for path in Path("runs").iterdir())).records()
    assert stored.status == "completed"


def test_an_end_after_all_was_written(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise RuntimeError("no such colour")

    monkeypatch.setattr(train, "print_trials", fails)
    result = invoke("one.yaml", "--output", "models/out")
    assert result.exit_code == 1
    finished(result)


def test_an_adapter_needs_one(jobs: list[Job]) -> None:
    result = invoke("one.yaml", "--output", "out", "--adapter")
    assert result.stderr == "error: one.yaml: training.lora: must be set with --adapter, got null\n"
    settings = ["--set", "training.lora={rank: 4}"]
    assert invoke("one.yaml", "--output", "out", "--adapter", *settings).exit_code == 0
    assert jobs[0].saving is not None
    assert jobs[0].saving.adapter


def test_a_model_is_pushed_with_its_card(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", "hf_other")
        words = ("one.yaml", "--output", "out", "--push", "birds/owl")
        refused = invoke(*words)
        assert refused.exit_code == 2
        assert "--push: the hub does not accept the token" in refused.stderr
        assert not jobs  # nothing was trained
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        result = invoke(*words)
        assert result.exit_code == 0, result.stderr
        assert f"hub      {hub.address}/birds/owl/commit/" in result.stdout
        ((_, summary, files),) = hub.commits
        assert set(files) == {"README.md", WEIGHTS, LAST_FILE}
        assert b"--output out --push birds/owl" in files["README.md"]
        assert summary == "Upload the model: true, 6 tokens"


def test_options_of_a_push_need_a_push(jobs: list[Job]) -> None:
    result = invoke("one.yaml", "--output", "out", "--push-revision", "x")
    assert (result.exit_code, jobs) == (2, [])
    assert "--push: must be given with the other --push options" in result.stderr
