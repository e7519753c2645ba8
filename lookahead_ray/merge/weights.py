"""Weights of a trained model, with or without adapters, and how one of them is moved."""

from typing import TYPE_CHECKING, Any, cast

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def adapted_layers(model: "PreTrainedModel") -> dict[str, Any]:
    """Return peft's layers with an adapter by their names in the model without LoRA; empty without LoRA."""
    if not hasattr(model, "get_base_model"):  # only a PeftModel has it
        return {}
    from peft.tuners.lora import LoraLayer

    named = cast(Any, model).get_base_model().named_modules()
    return {name: module for name, module in named if isinstance(module, LoraLayer)}


def move_back(weight: torch.Tensor, seed: torch.Tensor, share: float) -> None:
    """Set `weight` to seed + share · (weight − seed), computed in fp32 and rounded once.

    Args:
        seed: of the same shape, on any device.
    """
    start = seed.to(weight.device, torch.float32)
    weight.copy_(torch.lerp(start, weight.float(), share))


def scale_adapter(layer: Any, share: float) -> None:
    """Scale the change that the adapter of a peft layer makes, which is linear in its second matrix."""
    for second in (*(module.weight for module in layer.lora_B.values()), *layer.lora_embedding_B.values()):
        second.mul_(share)
