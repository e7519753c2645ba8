"""The training loop of one rank, with a plain optimiser instead of DeepSpeed."""

import math
from typing import Any

import pytest
import torch

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.method import vanilla
from lookahead_ray.method.vanilla import answer_loss
from lookahead_ray.train.batches import accumulation_steps, collate, optimiser_steps, plan_batches
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import answer_logits, supervised
from lookahead_ray.train.packing_support import enable_packing
from lookahead_ray.train.step import Step
from tests.toy import toy_model
from tests.train.reference import loss_sum, make_rows, train_plainly

pytestmark = pytest.mark.usefixtures("group")

ROWS = make_rows(13)
CONFIG = TrainingConfig(
    learning_rate=1e-2, epochs=3, batch_size=5, micro_batch_size=2, precision="fp32", weight_decay=0.1
)


class PlainEngine:
    """The part of a DeepSpeed engine that the loop uses, for one rank."""

    def __init__(self, model: Any, config: TrainingConfig, examples: int) -> None:
        self.module = model
        self.device = model.device
        self.accumulation = accumulation_steps(config.batch_size, config.micro_batch_size, 1)
        self.optimiser = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
        )
        total = optimiser_steps(examples, config.epochs, config.batch_size)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: (total - step) / total)
        self.max_grad_norm = config.max_grad_norm
        self.micro_steps = 0
        self.grad_norm: float | None = None
        self.skipped_steps = 0

    def __call__(self, **inputs: Any) -> Any:
        return self.module(**inputs)

    def train(self) -> None:
        self.module.train()

    def eval(self) -> None:
        self.module.eval()

    def get_lr(self) -> list[float]:
        return [float(rate) for rate in self.schedule.get_last_lr()]

    def backward(self, loss: torch.Tensor) -> None:
        (loss / self.accumulation).backward()

    def step(self) -> None:
        self.micro_steps += 1
        if self.micro_steps % self.accumulation:
            return
        norm = torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.max_grad_norm)
        self.grad_norm = norm.item()
        self.optimiser.step()
        self.schedule.step()
        self.optimiser.zero_grad()

    def get_global_grad_norm(self) -> float | None:
        return self.grad_norm


def run(
    model: Any, config: TrainingConfig = CONFIG, rows: Any = ROWS, seed: int = 0, **hooks: Any
) -> list[Step]:
    told: list[Step] = []
    engine, row_loss = PlainEngine(model, config, len(rows)), supervised(vanilla.answer_loss, 0)
    steps = train(engine, rows, row_loss, config, seed=seed, on_step=told.append, **hooks)
    assert told == steps
    return steps


@pytest.mark.parametrize("protocol", ["fixed", "paper"])
def test_equals_a_plain_loop_over_whole_batches(protocol: str) -> None:
    model, reference = toy_model(), toy_model()
    config = CONFIG.model_copy(update={"protocol": protocol})
    expected = train_plainly(reference, ROWS, config, seed=0)
    steps = run(model, config)
    assert [step.loss for step in steps] == pytest.approx(expected, rel=1e-5)
    assert steps[-1].loss < 0.8 * steps[0].loss
    for weight, other in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(weight, other, rtol=1e-4, atol=1e-5)
    assert not model.training


def test_micro_batches_do_not_change_the_losses() -> None:
    alone = [step.loss for step in run(toy_model())]
    for micro in (1, 3, 5, 64):
        config = CONFIG.model_copy(update={"micro_batch_size": micro})
        assert [step.loss for step in run(toy_model(), config)] == pytest.approx(alone, rel=1e-4)


def test_under_the_published_loss_they_do() -> None:
    paper = CONFIG.model_copy(update={"protocol": "paper"})
    whole = paper.model_copy(update={"micro_batch_size": 5})
    assert run(toy_model(), whole)[-1].loss == pytest.approx(run(toy_model())[-1].loss, rel=1e-4)
    assert run(toy_model(), paper)[-1].loss != pytest.approx(run(toy_model())[-1].loss, rel=1e-4)


def test_steps_record_the_work() -> None:
    steps = run(toy_model())
    lengths = [len(row.prompt_ids) + len(row.answer_ids) for row in ROWS]
    answers = [len(row.answer_ids) for row in ROWS]
    assert [step.step for step in steps] == list(range(1, 10))
    assert [step.epoch for step in steps] == pytest.approx(
        [n / 13 for n in (5, 10, 13, 18, 23, 26, 31, 36, 39)]
    )
    assert [step.learning_rate for step in steps] == pytest.approx([1e-2 * (9 - n) / 9 for n in range(9)])
    assert sum(step.tokens for step in steps) == 3 * sum(lengths)
    assert sum(step.answer_tokens for step in steps) == 3 * sum(answers)
    assert all(step.grad_norm and step.grad_norm > 0 and step.seconds > 0 for step in steps)


def test_each_epochs_end_is_reported_and_may_stop_training() -> None:
    seen: list[int] = []

    def on_epoch(steps: list[Step]) -> bool:
        seen.append(len(steps))
        return len(steps) < 6

    steps = run(toy_model(), on_epoch=on_epoch)
    assert (len(steps), seen) == (6, [3, 6])
    assert [step.loss for step in steps] == [step.loss for step in run(toy_model())[:6]]


def test_the_seed_decides_the_order() -> None:
    assert run(toy_model(), seed=1)[0].loss != run(toy_model(), seed=0)[0].loss


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    model = toy_model()
    with torch.no_grad():
        model.lm_head.weight[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 1: lower training\.learning_rate"):
        run(model)


def test_weights_that_the_last_step_spoils_end_the_run() -> None:
    model = toy_model()
    engine = PlainEngine(model, CONFIG, len(ROWS))

    def spoil(step: Step) -> None:
        if step.step == 9:
            with torch.no_grad():
                model.lm_head.weight[0, 0] = math.inf

    with pytest.raises(FloatingPointError, match=r"weights are not finite: lower training\.learning_rate"):
        train(engine, ROWS, supervised(vanilla.answer_loss, 0), CONFIG, seed=0, on_step=spoil)


def test_a_step_that_the_engine_leaves_out_ends_the_run() -> None:
    engine = PlainEngine(toy_model(), CONFIG, len(ROWS))
    engine.skipped_steps = 1
    with pytest.raises(FloatingPointError, match=r"left out step 1: lower training\.learning_rate"):
        train(engine, ROWS, supervised(vanilla.answer_loss, 0), CONFIG, seed=0, on_step=lambda step: None)


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[:4], ROWS])
def test_answer_logits_and_loss_equal_full_logits(rows: Any) -> None:
    model = toy_model(seed=3)
    micro = collate(rows, pad_id=0, model=model)
    logits = answer_logits(model, micro)
    assert logits.shape == (sum(len(row.answer_ids) for row in rows), model.config.vocab_size)
    assert answer_loss(logits, micro.targets).item() == pytest.approx(loss_sum(model, rows).item(), rel=1e-5)


def test_answer_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3)], [5.0, 5.0], [math.log(3), 0.0]])
    targets = torch.tensor([1, 0, 1])
    expected = math.log(4 / 3) + math.log(2) + math.log(4)
    assert answer_loss(logits, targets).item() == pytest.approx(expected, rel=1e-6)
    assert answer_loss(logits.bfloat16(), targets).dtype == torch.float32


@pytest.mark.parametrize(
    "training", [pytest.param({}, marks=pytest.mark.slow), {"micro_batch_tokens": 64, "max_length": 64}]
)
def test_losses_over_20_steps_are_those_of_padded_rows_on_any_number_of_ranks(
    training: dict[str, Any],
) -> None:
    """Ranks are simulated: their gradients are summed, as DeepSpeed does (see `test_ranks`)."""
    rows = make_rows(40, seed=5)
    config = TrainingConfig.model_validate(
        {"epochs": 2, "batch_size": 4, "micro_batch_size": 1, "precision": "fp32", **training}
    )
    row_loss = supervised(vanilla.answer_loss, 0)

    def curve(world_size: int, packed: bool) -> list[float]:
        model = toy_model().train()
        assert not packed or enable_packing(model)
        optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=config.betas)
        losses = []
        lengths = [row.length for row in rows]
        for batch in plan_batches(lengths, config, world_size=world_size, seed=0, packed=packed):
            answers = sum(len(rows[index].answer_ids) for index in batch.examples)
            optimiser.zero_grad()
            total = 0.0
            for share in filter(None, (share for step in batch.micro for share in step)):
                loss = row_loss(model, [rows[index] for index in share]) / answers
                loss.backward()
                total += loss.item()
            optimiser.step()
            losses.append(total)
        return losses

    padded = curve(1, packed=False)
    assert len(padded) == 20
    assert padded[-1] < 0.8 * padded[0]
    for world_size in (1, 2, 4):
        found = curve(world_size, packed=True)
        assert found == pytest.approx(padded, rel=1e-4)
        assert found == curve(world_size, packed=True)  # to the bit
