"""`align`: what it refuses before training, the line that it prints, and an alignment that is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lookahead_ray import store
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.yaml_io import read_yaml
from lookahead_ray.entrypoints.align import AlignOptions, align_and_report, use_line
from lookahead_ray.errors import ConfigError, LookaheadRayError, ModelError
from tests.tiny import make_model

SMALL = (
    "harmful_requests=20",
    "benign_requests=20",
    "openings=20",
    "word_problems=4",
    "training.epochs=1",
    "training.batch_size=16",
    "training.precision=fp32",
    "task.test_examples=4",
    "safety.harmful_prompts=10",
    "safety.benign_prompts=10",
    "evaluation.safety_new_tokens=4",
    "evaluation.safety_max_tokens=4",
    "evaluation.task_new_tokens=4",
    "gpus_per_worker=0",
)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
COMMAND = (sys.executable, "-m", "lookahead_ray.cli.main")


def refusal(kind: type[LookaheadRayError], options: AlignOptions) -> str:
    with pytest.raises(kind) as caught:
        align_and_report(options, print)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_model(tmp_path / "model")


def test_a_model_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    message = refusal(ModelError, AlignOptions(tmp_path / "out", model=str(tmp_path / "none")))
    assert message.startswith("align: model.path: must be a directory with weights, got")
    assert not (tmp_path / "out").exists()


def test_a_model_without_chat_template_is_refused(model: Path, tmp_path: Path) -> None:
    (model / "chat_template.jinja").unlink()
    message = refusal(ModelError, AlignOptions(tmp_path / "out", model=str(model), overrides=SMALL))
    assert message == f"align: model.path: {model} has no chat template; a chat model is required"


def test_layers_that_the_model_lacks_are_refused(model: Path, tmp_path: Path) -> None:
    overrides = (*SMALL, "training.lora.target_modules=[query]")
    message = refusal(ConfigError, AlignOptions(tmp_path / "out", model=str(model), overrides=overrides))
    assert message.startswith("align: training.lora.target_modules: must name linear layers of the model")


def test_a_model_that_does_not_fit_into_memory_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lookahead_ray.hardware.node.usable_memory", lambda: 1_000_000)
    message = refusal(ConfigError, AlignOptions(tmp_path / "out", model=str(model), overrides=SMALL))
    assert message.startswith(f"align: model.path: {model} must fit into the 0.0 GB of this machine")


def test_an_output_that_holds_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refusal(ConfigError, AlignOptions(tmp_path))
    assert message == f"--output: must be a new or an empty directory, got {tmp_path}, which holds files"


@pytest.mark.parametrize("name", ["out", "123", "a b", "ä: {x}"])
def test_the_line_for_a_space_is_yaml(name: str, tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(use_line(Path("models", name), ModelConfig()) + "\n", encoding="utf-8")
    assert read_yaml(file) == {"model": {"path": f"models/{name}"}}


def test_the_line_repeats_the_protocol() -> None:
    line = use_line(Path("out"), ModelConfig(path="meta-llama/Llama-2-7b-chat-hf", protocol="paper"))
    assert line == "model: {path: out, protocol: paper}"


@pytest.mark.slow
def test_a_killed_alignment_continues_and_its_adapter_is_a_model(model: Path, tmp_path: Path) -> None:
    longer = ("task.test_examples=100", "evaluation.task_new_tokens=48")  # some seconds, to be killed in
    sets = [word for one in (*SMALL, *longer) for word in ("--set", one)]
    words = ["align", "--model", "model", "--output", "out", "--merged", "--no-recoveries", *sets]
    log = tmp_path / "first.txt"
    with log.open("w") as file:
        first = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, env=ENVIRONMENT, stdout=file, stderr=file)
    try:
        end_s = time.monotonic() + 900
        while "\nafter: " not in log.read_text():
            assert first.poll() is None, log.read_text()
            assert time.monotonic() < end_s, log.read_text()
            time.sleep(0.2)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert not (tmp_path / "out").exists()
    done = subprocess.run(
        [*COMMAND, *words], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "those of the interrupted alignment" in done.stdout
    assert "before: already measured" in done.stdout
    assert "resuming after step" in done.stdout
    assert done.stdout.endswith("in a space  model: {path: out}\n")
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["config"]["recoveries"] is False
    assert provenance["figures"].keys() - provenance["figures_before"].keys() == {
        "answer_loss",
        "unaligned_answer_loss",
    }
    assert provenance["figures_before"]["rsr"]["n"] == 10
    (run,) = (tmp_path / "runs").iterdir()
    before, after = store.open(str(run)).records()
    assert (before.trial_id, before.config["model"]["path"]) == ("before", "model")
    assert after.config["model"]["path"] == "out"
    assert not (run / "unfinished").exists()
    assert (tmp_path / "out" / "merged" / "model.safetensors").is_file()
    space = tmp_path / "space.yaml"
    space.write_text("model: {path: out}\ntask: {name: word_problems, train_examples: 4, test_examples: 2}\n")
    checked = subprocess.run(
        [*COMMAND, "validate", "space.yaml"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert "model out (adapter on " in checked.stdout, checked.stdout + checked.stderr
