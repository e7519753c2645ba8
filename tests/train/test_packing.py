"""Rows packed into one sequence give the losses and gradients of single rows."""

from typing import Any

import pytest
import torch

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import vanilla
from lookahead_ray.train import packing
from lookahead_ray.train.model import prepare_model, supervised
from lookahead_ray.train.packing import packed_tokens, shared_tokens
from tests.model.families import FAMILIES, make
from tests.toy import toy_model
from tests.train.reference import make_rows

SYSTEM = (3, 1, 4, 1, 5)
CHATS = [Rendered((*SYSTEM, *row.prompt_ids), row.answer_ids) for row in make_rows(5)]
LOSS = supervised(vanilla.answer_loss, pad_id=0)
TRAININGS = {
    "all weights": TrainingConfig(),
    "adapters": TrainingConfig(lora=LoraConfig(rank=2)),
    "checkpointing": TrainingConfig(gradient_checkpointing=True),
}


def gradients(model: Any, rows: list[Rendered]) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    loss = LOSS(model, rows)
    loss.backward()
    return loss.item(), torch.cat(
        [weight.grad.flatten() for weight in model.parameters() if weight.requires_grad]
    )


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize(
    "rows", [make_rows(4), CHATS, CHATS[:2] * 2], ids=["nothing shared", "chats", "alike"]
)
def test_loss_and_gradients_equal_those_of_padded_rows(
    monkeypatch: pytest.MonkeyPatch, rows: list[Rendered], training: str
) -> None:
    torch.manual_seed(0)
    model = prepare_model(toy_model(), TRAININGS[training]).train()
    for name, weight in model.named_parameters():
        if "lora_B" in name:  # starts at zero, so the gradient of A is zero
            torch.nn.init.normal_(weight, std=0.1)
    assert packed_tokens(model, rows) is not None
    packed = gradients(model, rows)
    monkeypatch.setattr(packing, "MOST_TOKENS", 0)
    assert packed_tokens(model, rows) is None
    padded = gradients(model, rows)
    assert packed[0] == pytest.approx(padded[0], rel=1e-5)
    assert (packed[1] - padded[1]).norm() <= 1e-5 * padded[1].norm()


def test_a_shared_prefix_ends_before_the_last_token_of_a_prompt() -> None:
    assert shared_tokens(CHATS) == len(SYSTEM)
    assert shared_tokens([Rendered((1, 2, 3), (4,)), Rendered((1, 2), (4,))]) == 1
    assert shared_tokens([Rendered((1,), (2,)), Rendered((1,), (3,))]) == 0
    assert shared_tokens(make_rows(2)) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_only_full_attention_with_rotary_positions_is_packed(family: str) -> None:
    packed = packed_tokens(make(family), CHATS[:3]) is not None
    assert packed == ("windows" not in family and "absolute" not in family)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_loss_of_padded_rows(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(family)
    found = LOSS(model, CHATS).item()
    monkeypatch.setattr(packing, "MOST_TOKENS", 0)
    assert found == pytest.approx(LOSS(model, CHATS).item(), rel=1e-5)


def test_long_and_single_rows_are_padded() -> None:
    model = toy_model()
    long = Rendered((1,) * 300, (2,) * 100)
    assert packed_tokens(model, [long, long]) == 299 + 2 * 100
    assert packed_tokens(model, [long, Rendered((3,) * 300, (2,) * 100)]) is None
    assert packed_tokens(model, [long]) is None
