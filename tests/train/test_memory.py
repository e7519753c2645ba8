"""The estimate of memory against the table that it was derived from, and against what DeepSpeed takes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.model.outline import ModelOutline
from lookahead_ray.train.memory import RankMemory, describe_savings, estimate_memory
from tests.toy import toy_tokenizer
from tests.train.measured_memory import SHAPE

LLAMA_2_7B = LlamaConfig(intermediate_size=11008)


def outline(config: LlamaConfig = LLAMA_2_7B) -> ModelOutline:
    with torch.device("meta"):
        return ModelOutline("made", LlamaForCausalLM(config), toy_tokenizer())


def trial(workers: int = 1, gpus: float = 1, **training: Any) -> TrialConfig:
    fields = {"precision": "bf16", "micro_batch_size": 1, "max_length": 16, **training}
    tree = {
        "task": {"name": "word_problems"},
        "training": fields,
        "workers": workers,
        "cpus_per_worker": 1,
        "gpus_per_worker": gpus,
    }
    return TrialConfig.model_validate(tree)


@pytest.mark.parametrize(
    ("ranks", "rest", "step"), [(1, 94.4, 121.3), (2, 53.9, 67.4), (4, 33.7, 40.4), (8, 23.6, 27.0)]
)
def test_llama_2_7b_under_zero_2(ranks: int, rest: float, step: float) -> None:
    found = estimate_memory(trial(ranks), outline())
    assert found.rest / 1e9 == pytest.approx(rest, rel=0.005)
    assert found.step / 1e9 == pytest.approx(step, rel=0.005)
    assert found.step < found.training < 1.12 * found.step + 2e9  # two buckets and few activations


def test_activations_of_llama_2_7b() -> None:
    few, many = (estimate_memory(trial(max_length=length), outline()) for length in (16, 1016))
    logits = 4 * 32000
    assert (many.backward - few.backward) / 1000 - logits == pytest.approx(5.96e6, rel=0.01)
    few, many = (
        estimate_memory(trial(max_length=length, gradient_checkpointing=True), outline())
        for length in (16, 1016)
    )
    assert (many.backward - few.backward) / 1000 - logits == pytest.approx(0.26e6 + 5.96e6 / 32, rel=0.02)


def test_fewer_checkpointed_layers_keep_more() -> None:
    kept = [
        estimate_memory(trial(gradient_checkpointing=value, max_length=512), outline()).backward
        for value in (True, 2, 4, 32, False)
    ]
    assert kept == sorted(kept)
    assert kept[0] < kept[1] < kept[2] < kept[-1]


def test_evaluation_holds_weights_and_one_batch() -> None:
    found = estimate_memory(trial(), outline())  # 64 prompts of 256 and 1,024 tokens
    assert found.evaluation / 1e9 == pytest.approx(13.48 + 42.9, rel=0.005)


def test_what_would_help_is_named_with_its_effect() -> None:
    config = trial(micro_batch_size=16, max_length=512)
    words = describe_savings(config, outline(), trains=True)
    half = 8 * 512 * (5.963776e6 + 4 * 32000) / 1e9
    assert f"training.micro_batch_size: 8 (saves about {half:.1f} GB)" in words
    for setting in ("training.gradient_checkpointing: true", "training.lora: {rank: 16}", "workers: 2"):
        assert f"{setting} (saves about " in words
    words = describe_savings(config, outline(), trains=False)
    assert "evaluation.batch_size: 32 (saves about 21.5 GB)" in words
    assert "training" not in words


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_deepspeed_takes_what_is_estimated(ranks: int, tmp_path: Path) -> None:
    """On a model whose activations are small: within 5 %, or at most what is estimated."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.measured_memory", str(rank), str(ranks), str(tmp_path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(ranks)
    ]
    assert [process.wait(300) for process in processes] == [0] * ranks
    for line in (tmp_path / "measured").read_text().splitlines():
        precision, stage, *numbers = line.split()
        _, before, rest, peak, after = map(int, numbers)
        config = trial(ranks, precision=precision, zero_stage=int(stage))
        found = estimate_memory(config, outline(SHAPE))
        table = before + found.training - found.weights  # the larger of backward pass, with buckets, and step
        case = f"{precision} ZeRO {stage} on {ranks}"
        assert after == pytest.approx(before, rel=0.001), case
        if (stage == "2" and precision == "bf16") or (ranks == 1 and precision == "fp32"):
            assert rest == pytest.approx(found.rest, rel=0.01), case
            assert peak == pytest.approx(table, rel=0.05), case
        assert peak < 1.06 * found.training, case


def test_an_engine_of_vllm_holds_weights_and_its_own_cache() -> None:
    def estimate(gpus: int, **evaluation: str) -> RankMemory:
        config = trial(gpus=gpus)
        changed = config.evaluation.model_copy(update=evaluation)
        return estimate_memory(config.model_copy(update={"evaluation": changed}), outline())

    cache = 2 * (64 * 256 + 256) * 2 * 32 * 4096  # bytes of keys and values in bf16
    for gpus in (0, 1):
        plain, found = estimate(gpus), estimate(gpus, backend="vllm")
        assert found.evaluation - found.weights == pytest.approx(13.48e9 + cache, rel=0.01)
        assert found.rest - plain.rest == pytest.approx(0 if gpus else 13.48e9 + cache, rel=0.01)
