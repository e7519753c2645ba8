"""FLOPs of a whole trial, from one micro-batch of it."""

from collections.abc import Iterator, Sequence
from typing import Any

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.evaluate.flops import count, estimated_flops
from lookahead_ray.method import RowLoss
from lookahead_ray.method.work import Work, teacher_forced
from lookahead_ray.train.batches import GlobalBatch, plan


def trial_flops(
    model: Any,
    row_loss: RowLoss,
    rows: Sequence[Rendered],
    config: TrainingConfig,
    *,
    seed: int,
    world_size: int,
    prepared: Work,
    asks_seed: bool,
) -> dict[str, float]:
    """FLOPs of all ranks together: `training`, `preparation` and `estimated_training`.

    One micro-batch of the first step is counted, the middle one by length; what all others compute follows
    from their shapes.

    Args:
        prepared: what the seed model computed to make `rows`.
        asks_seed: whether it also passes over `rows` once.
    """
    batches = plan(
        [row.length for row in rows],
        epochs=config.epochs,
        batch_size=config.batch_size,
        micro_batch_size=config.micro_batch_size,
        world_size=world_size,
        seed=seed,
    )
    steps = [list(_micro_batches(batch, rows)) for batch in batches]
    middle = steps[0][len(steps[0]) // 2]
    forward, training = count(model, row_loss, middle, recomputes=config.gradient_checkpointing)
    if asks_seed:
        ordered = sorted(rows, key=lambda row: row.length)
        size = config.micro_batch_size
        for start in range(0, len(ordered), size):
            prepared += teacher_forced(ordered[start : start + size])
    return {
        "training": training.of(sum((teacher_forced(micro) for step in steps for micro in step), Work())),
        "preparation": forward.of(prepared),
        "estimated_training": estimated_flops(model, config.epochs * sum(row.length for row in rows)),
    }


def _micro_batches(batch: GlobalBatch, rows: Sequence[Rendered]) -> Iterator[list[Rendered]]:
    """The rows of each forward pass; a rank without any takes the first one, as `train.loop` does."""
    for step in batch.micro:
        for share in step:
            yield [rows[index] for index in share or batch.examples[:1]]
