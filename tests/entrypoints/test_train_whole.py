"""`train` and `evaluate` as a user starts them: a tiny model, two ranks under ZeRO-2, adapters merged."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from lookahead_ray import store
from lookahead_ray.config.yaml_io import write_yaml
from lookahead_ray.trial.model_export import LAST_FILE
from tests.tiny import make_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

SETTINGS = (
    "preview={strategy: true, length_tokens: 3}",
    "method={name: vanilla}",
    "merge={share: 1.0}",
    "training.lora={rank: 4}",
    "training.learning_rate=1e-2",
    "training.batch_size=8",
    "training.micro_batch_size=2",
    "task.train_examples=16",
    "task.test_examples=4",
    "safety.harmful_prompts=10",
    "safety.benign_prompts=10",
    "evaluation.safety_new_tokens=4",
    "evaluation.task_new_tokens=4",
    "training.precision=fp32",  # so that other batches change no answer by rounding
)


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
COMMAND = (sys.executable, "-m", "lookahead_ray.cli.main")


def lookahead_ray(folder: Path, *words: str) -> str:
    """Return the output, after asserting exit code 0."""
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_trained_model_is_written_and_measures_the_same_again(tmp_path: Path) -> None:
    seed = make_model(tmp_path / "seed")
    words = [word for setting in (*SETTINGS, f"model.path={seed}") for word in ("--set", setting)]
    text = lookahead_ray(tmp_path, "train", "quickstart", "--output", "out", "--run", "run", *words)
    assert "finished: true, 3 tokens" in text
    out = tmp_path / "out"
    card = (out / "README.md").read_text()
    assert "merged into the weights" in card
    assert "| training examples | 16 |" in card
    before, after = (AutoModelForCausalLM.from_pretrained(path).state_dict() for path in (seed, out))
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    (trained,) = store.open(str(tmp_path / "run")).records()
    measured = trained.measurement
    assert measured
    assert (measured.workers, measured.zero_stage, trained.status) == (2, 2, "completed")
    assert measured.flops == measured.preparation["training_flops"]

    measured = [word for setting in SETTINGS[7:] for word in ("--set", setting)]
    lookahead_ray(
        tmp_path,
        "evaluate",
        "out",
        "--suite",
        "probe",
        "--task",
        "word_problems",
        "--run",
        "again",
        *measured,
    )
    (again,) = store.open(str(tmp_path / "again")).records()
    assert [row.answer for row in again.generations] == [row.answer for row in trained.generations]


def test_a_merged_model_of_a_sweep_is_the_one_that_train_writes(tmp_path: Path) -> None:
    seed = make_model(tmp_path / "seed")
    search = "search={trials: 1, enqueue: [{merge.share: 0.5}]}"
    settings = (*SETTINGS[1:], f"model.path={seed}", "workers=2")
    words = [word for setting in settings for word in ("--set", setting)]
    space = ("preview={strategy: none}", "merge={share: {uniform: [0.1, 1.0]}}", search)
    more = [word for setting in space for word in ("--set", setting)]
    lookahead_ray(tmp_path, "sweep", "quickstart", "--run", "sweep", *words, *more)
    swept = store.open(str(tmp_path / "sweep")).records()
    assert [(record.role, record.status) for record in swept] == [
        ("seed", "completed"),
        ("vanilla", "completed"),
        ("search", "completed"),
    ]
    assert ["merge" in record.config for record in swept] == [False, False, True]
    _, vanilla, searched = swept
    assert store.open(str(tmp_path / "sweep")).trials()["share"].to_pylist() == [1.0, 1.0, 0.5]

    (tmp_path / "found.yaml").write_text(write_yaml({"name": "found", **searched.config}))
    text = lookahead_ray(tmp_path, "train", "found.yaml", "--output", "out", "--run", "train")
    assert "finished: no preview, share 0.5: " in text
    assert "a share of 0.5 of their change by training is kept" in (tmp_path / "out/README.md").read_text()
    (trained,) = store.open(str(tmp_path / "train")).records()
    assert trained.config == searched.config
    assert trained.generations == searched.generations
    assert trained.token_kl == searched.token_kl != vanilla.token_kl
    lookahead_ray(tmp_path, "evaluate", "out", "--space", "found.yaml", "--run", "again")
    (again,) = store.open(str(tmp_path / "again")).records()
    assert [row.answer for row in again.generations] == [row.answer for row in searched.generations]


def test_ctrl_c_while_it_is_measured_keeps_the_model(tmp_path: Path) -> None:
    seed = make_model(tmp_path / "seed")
    longer = ("evaluation.safety_new_tokens=900", "safety.harmful_prompts=100", f"model.path={seed}")
    words = [word for setting in (*SETTINGS, *longer) for word in ("--set", setting)]
    process = subprocess.Popen(
        [*COMMAND, "train", "quickstart", "--output", "out", "--run", "run", *words],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until_s = time.monotonic() + 300
        while not (found := list(tmp_path.glob(f".out-*/{LAST_FILE}"))):
            assert process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, told
    kept = found[0].parent
    expected = f"interrupted; the trained model, not measured in full, is in {kept}; measure it with: "
    assert told.splitlines()[-1].startswith(f"{expected}lookahead-ray evaluate {kept} --space quickstart ")
    AutoModelForCausalLM.from_pretrained(kept)
    assert not (tmp_path / "out").exists()
