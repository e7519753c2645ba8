"""FLOPs of a whole trial, from those of one row: what all others compute follows from their shapes."""

from collections.abc import Iterator, Sequence
from typing import Any

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.evaluate.flops import Costs, count, estimated_flops
from lookahead_ray.method import vanilla
from lookahead_ray.method.work import Work
from lookahead_ray.model.load import context_length
from lookahead_ray.train.batches import GlobalBatch, plan
from lookahead_ray.train.model import supervised
from lookahead_ray.train.packing import work_of

SHORTEST = 256  # tokens of the row that is counted, so that most trials of a process share one

_known: dict[tuple[Any, ...], tuple[Costs, Costs]] = {}


def trial_flops(
    model: Any,
    rows: Sequence[Rendered],
    config: TrainingConfig,
    *,
    seed: int,
    world_size: int,
    prepared: Work,
    asks_seed: bool,
) -> dict[str, float]:
    """FLOPs of all ranks together: `training`, `preparation` and `estimated_training`.

    Counted is plain cross-entropy: the losses of all methods multiply the same matrices.

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
    forward, training = _costs(model, config, max(row.length for row in rows))
    if asks_seed:
        ordered = sorted(rows, key=lambda row: row.length)
        size = config.micro_batch_size
        for start in range(0, len(ordered), size):
            prepared += work_of(model, ordered[start : start + size])
    return {
        "training": training.of(sum((work_of(model, micro) for step in steps for micro in step), Work())),
        "preparation": forward.of(prepared),
        "estimated_training": estimated_flops(model, config.epochs * sum(row.length for row in rows)),
    }


def _costs(model: Any, config: TrainingConfig, longest: int) -> tuple[Costs, Costs]:
    """`evaluate.flops.count` of a row of at least `longest` tokens, a power of two; once a process for each.

    As long as the trial's, since layers whose attention has a window cost less beyond it.

    Counting takes seconds, so trials of a process share it. It depends on nothing else of a trial: the same
    trial has the same FLOPs in every process.
    """
    half = 2 ** (max(longest, SHORTEST) - 1).bit_length() // 2
    half = min(half, (context_length(model) or 2 * half) // 2)
    key = (model.config.to_json_string(), str(config.lora), config.gradient_checkpointing, half)
    if key not in _known:
        row = Rendered((0,) * half, (0,) * half)
        plain = supervised(vanilla.answer_loss, pad_id=0)
        attention = model.config._attn_implementation
        if model.device.type == "cuda":  # torch can't count all of its fused kernels; they multiply the same
            model.set_attn_implementation("eager")
        _known[key] = count(model, plain, [row], recomputes=config.gradient_checkpointing)
        model.set_attn_implementation(attention)
    return _known[key]


def _micro_batches(batch: GlobalBatch, rows: Sequence[Rendered]) -> Iterator[list[Rendered]]:
    """The rows of each forward pass; a rank without any takes the first one, as `train.loop` does."""
    for step in batch.micro:
        for share in step:
            yield [rows[index] for index in share or batch.examples[:1]]
