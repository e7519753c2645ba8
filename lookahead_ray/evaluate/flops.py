"""Training FLOPs: counted by torch on some rows, and estimated as the published trainer does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import RowLoss
from lookahead_ray.method.work import Work
from lookahead_ray.train.packing import work_of


@dataclass(frozen=True, slots=True)
class Costs:
    """FLOPs of a unit of `Work`."""

    token: float
    pair: float
    logit: float

    def of(self, work: Work) -> float:
        """FLOPs of `work`."""
        return self.token * work.tokens + self.pair * work.pairs + self.logit * work.logits


def count(
    model: Any, row_loss: RowLoss, rows: Sequence[Rendered], *, recomputes: bool = False
) -> tuple[Costs, Costs]:
    """Costs of a forward pass, and of forward and backward pass together, counted on the micro-batch `rows`.

    Multiplications by weights grow with the tokens, the head's with the logits, all others, which are
    attention's, with the pairs of tokens. For `rows` the costs make what torch counted; so they do, in the
    same model, for other shapes. What is no matrix multiplication is not counted (torch.utils.flop_counter).
    A multiplication and an addition are two FLOPs.

    `model` is trained on as it stands (adapters, checkpointing), without an engine around it: no rank waits
    for another. Weights and the generator of random numbers are left as they were, gradients are cleared.

    Args:
        recomputes: whether the backward pass computes layers anew (gradient checkpointing).
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
    # Each product has two gradients, but frozen weights have none; the rest of the whole is the layers'.
    head_trained = head * (2 + model.get_output_embeddings().weight.requires_grad)
    attention_trained = attention * (4 if recomputes else 3)
    return (
        Costs(layers / work.tokens, attention / work.pairs, head / work.logits),
        Costs(
            (whole - attention_trained - head_trained) / work.tokens,
            attention_trained / work.pairs,
            head_trained / work.logits,
        ),
    )


def estimated_flops(model: Any, tokens: int) -> float:
    """6 · (parameters without embeddings) · tokens: forward and backward (Kaplan et al. 2020, section 2.1).

    The paper's Table 2 compares such estimates. They leave out attention and tied heads, and count gradients
    of weights under adapters, which nobody computes: then the true number is some two thirds of it.
    """
    parameters: int = model.num_parameters(exclude_embeddings=True)
    return 6.0 * parameters * tokens


def _of_weights(model: Any, counter: FlopCounterMode) -> tuple[int, int]:
    """FLOPs so far of layers with weights of their own, and of the head among them by itself."""
    counts, root = counter.get_flop_counts(), type(model).__name__
    layers = head = 0
    for name, module in model.named_modules():
        found = sum(counts.get(f"{root}.{name}", {}).values())
        if module is model.get_output_embeddings():
            head = found
        elif any(True for _ in module.parameters(recurse=False)):
            layers += found
    return layers, head
