"""Training FLOPs: counted by torch on one micro-batch, and estimated as the published trainer does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import RowLoss
from lookahead_ray.method.work import Work, teacher_forced


@dataclass(frozen=True, slots=True)
class Costs:
    """FLOPs of a unit of `Work`."""

    token: float
    pair: float
    logit: float

    def of(self, work: Work) -> float:
        """FLOPs of `work`."""
        return self.token * work.tokens + self.pair * work.pairs + self.logit * work.logits


def count(model: Any, row_loss: RowLoss, rows: Sequence[Rendered]) -> tuple[Costs, Costs]:
    """Costs of a forward pass, and of forward and backward pass together, counted on the micro-batch `rows`.

    Matrix multiplications of layers with weights grow with the tokens, those of the head with the logits, and
    all others, which are attention's, with the pairs of tokens. What is no matrix multiplication is not
    counted (see torch.utils.flop_counter). A multiplication and an addition are two FLOPs.

    `model` is trained on as it stands (adapters, checkpointing), without an engine around it: no rank waits
    for another. Weights and the generator of random numbers are left as they were, gradients are cleared.
    """
    work, was_training = teacher_forced(rows), model.training
    devices = [model.device] if model.device.type == "cuda" else []
    model.train()
    try:
        with torch.random.fork_rng(devices), FlopCounterMode(display=False) as counter:
            loss = row_loss(model, rows)
            forward = _costs(model, counter, work)
            loss.backward()
            training = _costs(model, counter, work)
    finally:
        model.zero_grad(set_to_none=True)
        model.train(was_training)
    return forward, training


def estimated_flops(model: Any, tokens: int) -> float:
    """6 · (parameters without embeddings) · tokens: forward and backward (Kaplan et al. 2020, section 2.1).

    The paper's Table 2 compares such estimates. They leave out attention and tied heads, and count gradients
    of weights under adapters, which nobody computes: then the true number is some two thirds of it.
    """
    parameters: int = model.num_parameters(exclude_embeddings=True)
    return 6.0 * parameters * tokens


def _costs(model: Any, counter: FlopCounterMode, work: Work) -> Costs:
    counts = {name: sum(by_op.values()) for name, by_op in counter.get_flop_counts().items()}
    head, root = model.get_output_embeddings(), type(model).__name__
    heads = layers = 0
    for name, module in model.named_modules():
        found = counts.get(f"{root}.{name}", 0)
        if module is head:
            heads += found
        elif any(True for _ in module.parameters(recurse=False)):
            layers += found
    attention = counter.get_total_flops() - heads - layers
    return Costs(layers / work.tokens, attention / work.pairs, heads / work.logits)
