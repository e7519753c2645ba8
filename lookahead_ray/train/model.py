"""The trainable model: optional adapters, and logits only at positions that have a loss."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.context import Forward, RowLoss
from lookahead_ray.train.batches import MicroBatch, collate
from lookahead_ray.train.lora import add_adapters
from lookahead_ray.train.packing_support import enable_packing

if TYPE_CHECKING:
    from transformers import PreTrainedModel

AnswerLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(logits (answer tokens, vocab), targets (answer tokens,)) -> a scalar sum."""


def prepare_model(model: "PreTrainedModel", config: TrainingConfig) -> "PreTrainedModel":
    """Return `model` ready for training: without dropout (as published), with attention of packed rows where
    the model supports it, and with checkpointing and peft adapters as configured.

    Raises:
        ConfigError: `training.lora` names layers that the model does not have or can't adapt.

    On CPUs the backward pass of torch's fused attention takes three times as long as eager attention's, so
    padded rows use the latter.
    """
    _stop_dropout(model)
    if not enable_packing(model) and model.device.type == "cpu":
        model.set_attn_implementation("eager")
    if config.gradient_checkpointing:
        enable: Any = model.activation_checkpointing_enable  # Transformers lacks its annotation
        enable(every_n_layers=int(config.gradient_checkpointing))
        model.enable_input_require_grads()  # type: ignore[no-untyped-call]
    return add_adapters(model, config.lora) if config.lora else model


def _stop_dropout(model: torch.nn.Module) -> None:
    """Set all probabilities with which training drops numbers or whole layers to 0.

    Many architectures have no `Dropout` modules but numbers such as `dropout`, `attn_pdrop` and `layerdrop`.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)


def logits_at(model: torch.nn.Module, places: torch.Tensor, **inputs: Any) -> torch.Tensor:
    """Return the logits (places, vocab) only at `places`, flat indices of `input_ids`.

    `model` may be an engine around the model.
    """

    def select(head: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        hidden, *others = arguments
        return hidden.flatten(0, 1).index_select(0, places), *others

    inner: Any = getattr(model, "module", model)
    selecting = inner.get_output_embeddings().register_forward_pre_hook(select)
    try:
        logits: torch.Tensor = model(**inputs).logits
    finally:
        selecting.remove()
    return logits


def answer_logits(model: torch.nn.Module, micro: MicroBatch) -> torch.Tensor:
    """Return the logits (answer tokens, vocab) at the inputs that predict answer tokens."""
    return logits_at(model, micro.positions, **micro.inputs, use_cache=False)


def forward(pad_id: int) -> Forward:
    """Return a function that computes logits and targets of rows in one forward pass."""

    def logits_and_targets(
        model: torch.nn.Module, rows: Sequence[Rendered]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        micro = collate(rows, pad_id, getattr(model, "module", model))
        return answer_logits(model, micro), micro.targets

    return logits_and_targets


def supervised(answer_loss: AnswerLoss, pad_id: int) -> RowLoss:
    """Turn a loss of logits and targets into a loss of rows, computed in one forward pass."""
    logits_and_targets = forward(pad_id)

    def row_loss(model: torch.nn.Module, rows: Sequence[Rendered]) -> torch.Tensor:
        return answer_loss(*logits_and_targets(model, rows))

    return row_loss
