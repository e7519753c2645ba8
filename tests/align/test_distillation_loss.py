"""The alignment's loss: cross-entropy on taught refusals, KL to the model's own distributions elsewhere."""

from typing import Any

import pytest
import torch

from lookahead_ray.align.distillation_loss import DistilledRow, align_loss, weighted_kl
from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import vanilla
from lookahead_ray.train.model import prepare_model, supervised
from tests.toy import toy_model

TAUGHT = [Rendered((5, 6, 7), (8, 9)), Rendered((4,), (3, 2, 1))]
KEPT = [DistilledRow((5, 6), (7, 8, 9)), DistilledRow((1, 2, 3), (4,))]
CONFIG = TrainingConfig(learning_rate=1e-3, precision="fp32", lora=LoraConfig(rank=2, alpha=4.0))


class Engine:
    """The part of a DeepSpeed engine that the loss uses."""

    def __init__(self, module: Any) -> None:
        self.module, self.device = module, torch.device("cpu")

    def __call__(self, **inputs: Any) -> Any:
        return self.module(**inputs)


def move_adapters(engine: Engine) -> None:
    for name, weight in engine.module.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5, generator=torch.Generator().manual_seed(0))


def test_divergence_by_hand() -> None:
    half = torch.tensor([[0.0, 0.0]])
    skewed = torch.log(torch.tensor([[0.8, 0.2]]))
    expected = 0.8 * torch.log(torch.tensor(1.6)) + 0.2 * torch.log(torch.tensor(0.4))
    assert weighted_kl(half, skewed, [1], 1.0).item() == pytest.approx(expected.item(), rel=1e-6)
    assert weighted_kl(half, half, [1], 1.0).item() == 0.0


def test_only_the_first_answer_tokens_weigh_more() -> None:
    logits, reference = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0))
    each = [weighted_kl(logits[[at]], reference[[at]], [1], 1.0).item() for at in range(5)]
    expected = 2 * (each[0] + each[1] + each[2]) + each[3] + 2 * each[4]
    assert weighted_kl(logits, reference, [4, 1], 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_kept_rows_cost_what_the_adapters_moved() -> None:
    engine = Engine(prepare_model(toy_model(), CONFIG))
    loss = align_loss(vanilla.answer_loss, pad_id=0, opening_weight=1.5)
    plain = supervised(vanilla.answer_loss, 0)
    fresh = loss(engine, KEPT)
    assert fresh.item() == pytest.approx(0.0, abs=1e-5)  # new adapters change nothing
    taught = plain(engine, TAUGHT).item()
    assert loss(engine, [*KEPT, *TAUGHT]).item() == pytest.approx(taught, rel=1e-5)
    move_adapters(engine)
    moved = loss(engine, KEPT)
    assert moved.item() > 0.01
    both = loss(engine, [TAUGHT[0], KEPT[0], KEPT[1], TAUGHT[1]]).item()
    assert both == pytest.approx(moved.item() + plain(engine, TAUGHT).item(), rel=1e-5)
    moved.backward()
    grads = [weight.grad for weight in engine.module.parameters() if weight.requires_grad]
    assert any(grad is not None and grad.abs().sum() > 0 for grad in grads)
