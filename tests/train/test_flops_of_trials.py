"""FLOPs of whole trials, against counting every micro-batch."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.method import vanilla
from lookahead_ray.method.compute import Work, generated, teacher_forced
from lookahead_ray.train.batches import plan_batches
from lookahead_ray.train.flops import count, estimated_flops, trial_flops
from lookahead_ray.train.model import prepare_model, supervised
from tests.toy import toy_model
from tests.train.reference import make_rows

ROWS = make_rows(11)
CONFIG = TrainingConfig(epochs=2, batch_size=4, micro_batch_size=2)
LOSS = supervised(vanilla.answer_loss, pad_id=0)


def flops(model: Any, world_size: int = 1, **changes: Any) -> dict[str, float]:
    arguments: dict[str, Any] = {"seed": 3, "prepared": Work(), "runs_seed_model": False, **changes}
    return trial_flops(model, ROWS, CONFIG, world_size=world_size, **arguments)


@pytest.mark.parametrize("world_size", [1, 3])
def test_one_row_predicts_all_micro_batches(world_size: int) -> None:
    model = prepare_model(toy_model(), CONFIG)
    lengths = [row.length for row in ROWS]
    counted = 0.0
    for batch in plan_batches(lengths, CONFIG, world_size=world_size, seed=3, packed=True):
        for step in batch.micro:
            for share in filter(None, step):
                with FlopCounterMode(display=False) as counter:
                    LOSS(model, [ROWS[index] for index in share]).backward()
                counted += counter.get_total_flops()
    found = flops(model, world_size)
    assert found["training"] == pytest.approx(counted, rel=5e-3)
    assert found["preparation"] == 0.0
    assert found["estimated_training"] == estimated_flops(model, 2 * sum(lengths))


def test_padding_and_empty_shares_count_nothing() -> None:
    padded, packed = toy_model(), prepare_model(toy_model(), CONFIG)
    assert flops(padded)["training"] == pytest.approx(flops(packed)["training"], rel=1e-6)
    assert flops(padded, 8)["training"] == pytest.approx(flops(padded)["training"], rel=1e-6)


def test_preparation_is_forward_only() -> None:
    model = prepare_model(toy_model(), CONFIG)
    forward, _ = count(model, LOSS, ROWS[:1])
    written = generated(prompt=20, new=5)
    assert flops(model, prepared=written)["preparation"] == pytest.approx(forward.of(written), rel=5e-3)
    asked = flops(model, runs_seed_model=True)["preparation"]
    assert asked == pytest.approx(forward.of(teacher_forced(ROWS)), rel=5e-3)
    # two of three parts of a step are its backward pass, and there are two epochs
    assert 0.1 < asked / flops(model)["training"] < 0.2


def test_counting_changes_nothing() -> None:
    model = toy_model()
    before = [weight.clone() for weight in model.parameters()]
    flops(model)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
