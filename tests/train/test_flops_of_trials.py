"""FLOPs of whole trials, against counting every micro-batch."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.method import vanilla
from lookahead_ray.method.compute import Work, generated
from lookahead_ray.train.batches import plan_batches
from lookahead_ray.train.flops import count, estimated_flops, trial_flops
from lookahead_ray.train.model import supervised
from lookahead_ray.train.packing import work_of
from tests.toy import toy_model
from tests.train.reference import make_rows

ROWS = make_rows(11)
CONFIG = TrainingConfig(epochs=2, batch_size=4, micro_batch_size=2)
LOSS = supervised(vanilla.answer_loss, pad_id=0)


def flops(model: Any, world_size: int = 1, **changes: Any) -> dict[str, float]:
    arguments: dict[str, Any] = {"seed": 3, "prepared": Work(), "runs_seed_model": False, **changes}
    return trial_flops(model, ROWS, CONFIG, world_size=world_size, **arguments)


@pytest.mark.parametrize("world_size", [1, 3])
def test_one_micro_batch_predicts_all(world_size: int) -> None:
    model = toy_model()
    lengths = [row.length for row in ROWS]
    counted = 0.0
    sizes = {"batch_size": 4, "micro_batch_size": 2, "world_size": world_size}
    for batch in plan_batches(lengths, epochs=2, seed=3, **sizes):
        for step in batch.micro:
            for share in step:
                rows = [ROWS[index] for index in share or batch.examples[:1]]
                with FlopCounterMode(display=False) as counter:
                    LOSS(model, rows).backward()
                counted += counter.get_total_flops()
    found = flops(model, world_size)
    assert found["training"] == pytest.approx(counted, rel=5e-3)
    assert found["preparation"] == 0.0
    assert found["estimated_training"] == estimated_flops(model, 2 * sum(lengths))


def test_preparation_is_forward_only() -> None:
    model = toy_model()
    forward, _ = count(model, LOSS, ROWS[:2])
    written = generated(prompt=20, new=5)
    assert flops(model, prepared=written)["preparation"] == pytest.approx(forward.of(written), rel=5e-3)
    asked = flops(model, runs_seed_model=True)["preparation"]
    ordered = sorted(ROWS, key=lambda row: row.length)
    passes = sum((work_of(model, ordered[start : start + 2]) for start in range(0, 11, 2)), Work())
    assert asked == pytest.approx(forward.of(passes), rel=5e-3)
    # two of three parts of a step are its backward pass, and there are two epochs
    assert 0.1 < asked / flops(model)["training"] < 0.2


def test_counting_changes_nothing() -> None:
    model = toy_model()
    before = [weight.clone() for weight in model.parameters()]
    flops(model)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
