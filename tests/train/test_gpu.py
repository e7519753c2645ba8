"""The training loop on a CUDA device."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.registry import build_generator
from lookahead_ray.method import vanilla
from lookahead_ray.model.load import load_model
from lookahead_ray.train.batches import collate
from lookahead_ray.train.model import answer_logits, prepare_model
from lookahead_ray.train.packing import packs
from lookahead_ray.trial.worker import run_worker
from tests.tiny import make_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, this machine has none"),
]


def test_loss_on_cuda_equals_loss_on_the_cpu(tmp_path: Path) -> None:
    rows = [Rendered((1, 5, 6, 7), (8, 9, 2)), Rendered((1, 5), (6, 2))]
    config = ModelConfig(path=str(make_model(tmp_path)))
    losses = []
    for device in ("cpu", "cuda"):
        model = prepare_model(load_model(config, torch.float32).to(device), TrainingConfig())
        micro = collate(rows, pad_id=0, model=model)
        losses.append(vanilla.answer_loss(answer_logits(model, micro), micro.targets).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_packed_rows_by_the_kernel_equal_padded_ones(tmp_path: Path) -> None:
    rows = [Rendered((1, 5, 6, 7), (8, 9, 2)), Rendered((1, 5), (6, 2)), Rendered((1, 7, 7, 5, 6), (9, 2))]
    config = ModelConfig(path=str(make_model(tmp_path)))
    model: Any = load_model(config, torch.bfloat16)
    model = prepare_model(model.to("cuda"), TrainingConfig()).train()
    assert packs(model)
    found = []
    for attention in (model.config._attn_implementation, "sdpa"):
        model.set_attn_implementation(attention)
        model.zero_grad()
        micro = collate(rows, pad_id=0, model=model)
        loss = vanilla.answer_loss(answer_logits(model, micro), micro.targets)
        loss.backward()
        found.append(
            (loss.item(), torch.cat([weight.grad.float().flatten() for weight in model.parameters()]))
        )
    (packed, packed_gradient), (padded, padded_gradient) = found
    assert packed == pytest.approx(padded, rel=1e-2)
    assert (packed_gradient - padded_gradient).norm() < 2e-2 * padded_gradient.norm()


def test_weights_are_read_to_the_device(tmp_path: Path) -> None:
    config, device = ModelConfig(path=str(make_model(tmp_path))), torch.device("cuda", 0)
    there, here = load_model(config, torch.bfloat16, device), load_model(config, torch.bfloat16)
    assert {weight.device for weight in there.parameters()} == {device}
    for weight, other in zip(there.parameters(), here.parameters(), strict=True):
        assert torch.equal(weight.cpu(), other)


def test_greedy_tokens_on_cuda_equal_those_on_the_cpu(tmp_path: Path) -> None:
    config = ModelConfig(path=str(make_model(tmp_path)))
    prompts = [(1, 5, 6, 7), (1, 5, 9), (1, 5), (1, 5, 8, 8, 8)]
    settings = DecodingSettings(3, frozenset({2}), pad_id=0)
    answers = [
        build_generator(load_model(config, torch.float32).to(device), settings).generate(prompts, 12)
        for device in ("cpu", "cuda")
    ]
    assert answers[0] == answers[1]
    assert any(answers[0])


@pytest.fixture
def nccl(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(os.environ, "LOCAL_RANK", "0")
    dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("nccl")
def test_a_whole_trial_on_cuda(tmp_path: Path) -> None:
    tree: dict[str, Any] = {
        "model": {"path": str(make_model(tmp_path))},
        "task": {"name": "word_problems", "train_examples": 8, "test_examples": 2},
        "safety": {"harmful_prompts": 4, "benign_prompts": 2},
        "training": {
            "epochs": 2,
            "batch_size": 4,
            "micro_batch_size": 2,
            "learning_rate": 1e-3,
            "precision": "bf16",
        },
        "evaluation": {"safety_new_tokens": 2, "task_new_tokens": 2},
        "workers": 1,
        "cpus_per_worker": 1,
        "gpus_per_worker": 1,
    }
    measured = run_worker(TrialConfig.model_validate(tree), True, lambda progress: None)
    assert measured is not None
    assert len(measured.steps) == 4
    assert measured.steps[-1].loss < measured.steps[0].loss
    assert measured.zero_stage == 2
    assert {row.metric for row in measured.generations} == {"rsr", "jsr", "over_refusal", "utility"}
