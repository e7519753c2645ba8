"""Training FLOPs: counted by torch on some rows, and estimated as in the published trainer.

The FLOPs of a whole trial are derived from those of one row, because they depend only on the rows' shapes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import vanilla
from lookahead_ray.method.compute import Work
from lookahead_ray.method.context import RowLoss
from lookahead_ray.model.load import context_length
from lookahead_ray.train.batches import plan_batches
from lookahead_ray.train.model import supervised
from lookahead_ray.train.packing import packs, work_of

SHORTEST = 256  # least tokens of the counted row, so that most trials of a process share one count


@dataclass(frozen=True, slots=True)
class Costs:
    """FLOPs per unit of `Work`."""

    token: float
    pair: float
    logit: float

    def of(self, work: Work) -> float:
        """Return the FLOPs of `work`."""
        return self.token * work.tokens + self.pair * work.pairs + self.logit * work.logits


_known: dict[tuple[Any, ...], tuple[Costs, Costs]] = {}


def trial_flops(
    model: Any,
    rows: Sequence[Rendered],
    config: TrainingConfig,
    *,
    seed: int,
    world_size: int,
    prepared: Work,
    runs_seed_model: bool,
) -> dict[str, float]:
    """Return FLOPs summed over ranks: `training`, `preparation` and `estimated_training`.

    FLOPs are counted for plain cross-entropy; every method's loss performs the same matrix multiplications.

    Args:
        prepared: work of the seed model to make `rows`.
        runs_seed_model: whether the seed model also runs over `rows` once.
    """
    batches = plan_batches(
        [row.length for row in rows], config, world_size=world_size, seed=seed, packed=packs(model)
    )
    micro_batches = [
        [rows[index] for index in share]
        for batch in batches
        for step in batch.micro
        for share in step
        if share
    ]
    forward, training = _costs(model, config, max(row.length for row in rows))
    if runs_seed_model:
        ordered = sorted(rows, key=lambda row: row.length)
        size = config.micro_batch_size
        for start in range(0, len(ordered), size):
            prepared += work_of(model, ordered[start : start + size])
    return {
        "training": training.of(sum((work_of(model, micro) for micro in micro_batches), Work())),
        "preparation": forward.of(prepared),
        "estimated_training": estimated_flops(model, config.epochs * sum(row.length for row in rows)),
    }


def _costs(model: Any, config: TrainingConfig, longest: int) -> tuple[Costs, Costs]:
    """Return `count` of one row whose length is `longest` rounded up to a power of two, at most the context.

    The row is as long as the trial's rows because layers with windowed attention cost less beyond the window.

    Counting takes seconds, so the trials of a process share counts. A count depends on nothing else of a
    trial, so the same trial has the same FLOPs in every process.
    """
    half = 2 ** (max(longest, SHORTEST) - 1).bit_length() // 2
    half = min(half, (context_length(model) or 2 * half) // 2)
    key = (model.config.to_json_string(), str(config.lora), config.gradient_checkpointing, half)
    if key not in _known:
        row = Rendered((0,) * half, (0,) * half)
        plain = supervised(vanilla.answer_loss, pad_id=0)
        attention = model.config._attn_implementation
        model.set_attn_implementation("eager")  # has the same FLOPs; torch can't count all fused kernels
        _known[key] = count(model, plain, [row], recomputes=_recomputed(model, config.gradient_checkpointing))
        model.set_attn_implementation(attention)
    return _known[key]


def count(
    model: Any, row_loss: RowLoss, rows: Sequence[Rendered], *, recomputes: float = 0
) -> tuple[Costs, Costs]:
    """Return the costs of a forward pass, and of forward plus backward, counted on `rows`: one row, or those
    of a micro-batch if the model packs rows.

    Multiplications by weights scale with the tokens, the head's with the logits, and all others, which are
    attention's, with the pairs of tokens. The costs reproduce torch's count for `rows` and extrapolate
    exactly to other shapes of the same model. Only matrix multiplications are counted
    (torch.utils.flop_counter). A multiplication and an addition are two FLOPs.

    `model` is used as it is (adapters, checkpointing), without an engine, so no rank waits for another.
    Weights and the state of the random number generator are not changed; gradients are cleared.

    Args:
        recomputes: share of the layers that the backward pass recomputes (gradient checkpointing).
    """
    work, was_training = work_of(model, rows), model.training
    devices = [model.device] if model.device.type == "cuda" else []
    model.train()
    try:
        with torch.random.fork_rng(devices), FlopCounterMode(display=False) as counter:
            loss = row_loss(model, rows)
            layers, head = _of_weights(model, counter)
            attention = counter.get_total_flops() - layers - head
            torch.autograd.backward(loss)
            whole = counter.get_total_flops()
    finally:
        model.zero_grad(set_to_none=True)
        model.train(was_training)
    # Each product has two gradients, but frozen weights have none; the layers account for the remainder.
    head_trained = head * (2 + model.get_output_embeddings().weight.requires_grad)
    attention_trained = attention * (3 + recomputes)
    return (
        Costs(layers / work.tokens, attention / work.pairs, head / work.logits),
        Costs(
            (whole - attention_trained - head_trained) / work.tokens,
            attention_trained / work.pairs,
            head_trained / work.logits,
        ),
    )


def _recomputed(model: Any, checkpointing: bool | int) -> float:
    """Return the share of layers that `training.gradient_checkpointing` recomputes, from the first one on."""
    layers: int = model.config.get_text_config().num_hidden_layers
    return math.ceil(layers / int(checkpointing)) / layers if checkpointing else 0.0


def estimated_flops(model: Any, tokens: int) -> float:
    """Return 6 · (parameters without embeddings) · tokens, for forward and backward (Kaplan et al. 2020,
    section 2.1).

    The paper's Table 2 compares such estimates. They omit attention and tied heads, and count gradients of
    frozen weights under adapters, which are not computed: with adapters the true number is about two thirds.
    """
    parameters: int = model.num_parameters(exclude_embeddings=True)
    return 6.0 * parameters * tokens


def _of_weights(model: Any, counter: FlopCounterMode) -> tuple[int, int]:
    """Return the FLOPs so far of modules that own weights, without the head, and those of the head."""
    counts, root = counter.get_flop_counts(), type(model).__name__
    layers = head = 0
    for name, module in model.named_modules():
        found = sum(counts.get(f"{root}.{name}", {}).values())
        if module is model.get_output_embeddings():
            head = found
        elif any(True for _ in module.parameters(recurse=False)):
            layers += found
    return layers, head
