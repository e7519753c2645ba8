"""DeepSpeed itself: what is left after training, what a step reads, and gradients that are no numbers."""

import gc
import weakref
from typing import Any

import pytest
import torch

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.method.vanilla import answer_loss
from lookahead_ray.train import packed_attention
from lookahead_ray.train.engine import build_engine, prepare_environment, release_engine
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import prepare_model, supervised
from lookahead_ray.train.step import Step
from tests.toy import toy_model
from tests.train.reference import make_rows
from tests.train.tensors import CountReads, live_bytes

pytestmark = pytest.mark.usefixtures("group")

ROWS = make_rows(12)
STEPS = 6
CONFIG = TrainingConfig(learning_rate=5e-3, epochs=2, batch_size=4, micro_batch_size=2, precision="bf16")
ALL = [
    pytest.param(stage, precision, marks=() if (stage, precision) == (2, "bf16") else pytest.mark.slow)
    for stage in (0, 1, 2)
    for precision in ("bf16", "fp32")
]


def model_of(config: TrainingConfig) -> Any:
    prepare_environment(on_gpu=False)
    return prepare_model(toy_model().to(torch_dtype(config.precision)), config)


def engine_of(model: Any, config: TrainingConfig) -> Any:
    return build_engine(model, config, world_size=1, total_steps=STEPS)


def engine_with_zero(model: Any, config: TrainingConfig) -> Any:
    """Return an engine with the stage of `config`, in fp32 too, as elastic trainings have."""
    return build_engine(model, config, world_size=1, total_steps=STEPS, elastic=True)


def run(engine: Any, config: TrainingConfig) -> list[Step]:
    return train(engine, ROWS, supervised(answer_loss, 0), config, seed=0, on_step=lambda step: None)


def bytes_without_masks() -> int:
    """Return the bytes of tensors, but for the cached masks: how many are held depends on earlier tests."""
    packed_attention._causal.cache_clear()
    return live_bytes()


@pytest.mark.parametrize(("stage", "precision"), ALL)
def test_nothing_of_the_optimiser_is_left_after_training(stage: int, precision: str) -> None:
    config = CONFIG.model_copy(update={"zero_stage": stage, "precision": precision})
    elsewhere = bytes_without_masks()
    model = model_of(config)
    engine = engine_of(model, config)
    optimiser = engine.optimizer
    refs = [weakref.ref(engine), weakref.ref(optimiser)]
    if engine.zero_optimization_stage():
        refs.append(weakref.ref(optimiser.single_partition_of_fp32_groups[0]))
    run(engine, config)
    held = live_bytes() - elsewhere
    release_engine(engine)
    del engine, optimiser
    gc.collect()
    assert [ref() for ref in refs] == [None] * len(refs)
    assert not model._forward_pre_hooks
    assert not model._forward_hooks
    assert all(weight.grad is None for weight in model.parameters())
    own = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    assert held > 2.9 * own
    assert bytes_without_masks() < elsewhere + own + 6000  # states of random generators, rotary frequencies


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "precision", "checks"),
    [(2, "bf16", 0), (1, "bf16", 0), (0, "fp32", 0), (2, "fp32", STEPS)],
)
def test_deepspeed_reads_no_number_in_a_step(stage: int, precision: str, checks: int) -> None:
    """The loop reads by one `tolist`, which is not counted; in fp32 DeepSpeed reads the norm too."""
    config = CONFIG.model_copy(update={"zero_stage": stage, "precision": precision})
    engine = engine_with_zero(model_of(config), config)
    run(engine, config)
    with CountReads() as counted:
        run(engine, config)
    release_engine(engine)
    assert counted.reads == checks + 1  # the weights, after the last step


@pytest.mark.parametrize(
    "value", [pytest.param(float("inf"), marks=pytest.mark.slow), float("nan")], ids=["inf", "nan"]
)
@pytest.mark.parametrize("step", [1, STEPS])
@pytest.mark.parametrize(("stage", "precision"), ALL)
def test_a_gradient_that_is_no_number_ends_training(
    stage: int, precision: str, step: int, value: float
) -> None:
    config = CONFIG.model_copy(update={"zero_stage": stage, "precision": precision})
    model = model_of(config)
    engine = engine_with_zero(model, config)
    seen = 0

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += 1
        return torch.full_like(gradient, value) if seen == 2 * step else gradient  # two micro-batches a step

    next(iter(model.parameters())).register_hook(spoil)
    advice = "lower training.learning_rate" + (", or set training.precision" if precision == "bf16" else "")
    with pytest.raises(FloatingPointError, match=rf"gradient's norm is (inf|nan) at step {step}: {advice}"):
        run(engine, config)
    release_engine(engine)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "precision"), [(0, "fp32"), (2, "bf16")])
def test_the_gradients_norm_is_measured_before_clipping(stage: int, precision: str) -> None:
    config = CONFIG.model_copy(update={"zero_stage": stage, "precision": precision, "max_grad_norm": 0.1})
    engine = engine_of(model_of(config), config)
    steps = run(engine, config)
    release_engine(engine)
    assert all(step.grad_norm is not None and step.grad_norm > 1 for step in steps)
