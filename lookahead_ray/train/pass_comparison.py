"""Whether a model's training passes are the same with replaced code: two short rows are tried."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from lookahead_ray.train.batches import collate
from lookahead_ray.train.packing_support import TRIED

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LARGEST_DIFFERENCE = {torch.float32: 1e-3, torch.bfloat16: 0.3}
"""Of logits and gradients from those of plain layers, both norms: rounding alone causes less."""


def find_difference(
    model: "PreTrainedModel", replaced: AbstractContextManager[None], layer: torch.nn.Module
) -> str | None:
    """Return what differs by more than rounding in `replaced`, "logits" or "gradients"; None if nothing does.

    No gradient is accumulated, and no hook of an engine around the model is called.

    Args:
        replaced: context in which other code computes the passes.
        layer: module whose trained weights' gradients are compared; without any, all trained weights' are.
    """
    was_training = model.training
    weights = _trained(layer) or _trained(model)
    devices = [model.device] if model.device.type == "cuda" else []
    model.train()
    try:
        with torch.random.fork_rng(devices):
            plain = _try(model, weights)
            with replaced:
                other = _try(model, weights)
    finally:
        model.train(was_training)
    largest = LARGEST_DIFFERENCE[model.dtype]
    for part, before, after in zip(("logits", "gradients"), plain, other, strict=True):
        if not (before - after).norm() <= largest * before.norm().clamp(min=1e-9):
            return part
    return None


def _try(model: "PreTrainedModel", weights: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits of two rows and the gradients of `weights` as flat fp32 tensors."""
    micro = collate(TRIED, 0, model)
    forward: Any = model.forward  # without hooks
    logits = forward(**micro.inputs, use_cache=False).logits.flatten(0, 1).float()
    loss = functional.cross_entropy(logits[micro.positions], micro.targets)
    gradients = torch.autograd.grad(loss, weights, materialize_grads=True)  # some experts get no token
    return logits.detach().flatten(), torch.cat([each.float().flatten() for each in gradients])


def _trained(module: torch.nn.Module) -> list[torch.Tensor]:
    return [weight for weight in module.parameters() if weight.requires_grad]
