"""Adapters (peft) in the layers that `training.lora` names."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from lookahead_ray.config.training import LoraConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.model.adapters import is_matched, refuse_tied

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

FIELD = "training.lora.target_modules"


def add_adapters(model: "PreTrainedModel", lora: LoraConfig) -> "PreTrainedModel":
    """Return `model` with new adapters, the only weights that are trained; it is changed in place.

    Raises:
        ConfigError: the model has no layer of a name, it can't be adapted, or it is tied.
    """
    from peft import LoraConfig as PeftConfig
    from peft import get_peft_model

    targets, rule = lora.target_modules, _rule(model)
    if not isinstance(targets, str):
        _check_names(model, targets)
        refuse_tied(model, targets, FIELD, ConfigError)
    adapters = PeftConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft takes floats, its annotation says int
        lora_dropout=0.0,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )
    try:
        # The optimiser has fp32 copies; fp32 adapters would cost a cast of every activation.
        adapted = get_peft_model(model, adapters, autocast_adapter_dtype=False)
    except ValueError as error:
        line = " ".join(str(error).split())[:200]
        raise ConfigError(f"{FIELD}: {rule}, got {_quoted(targets)} ({line})") from error
    return cast("PreTrainedModel", adapted)  # a PeftModel has the attributes of the model inside it


def _check_names(model: "PreTrainedModel", targets: tuple[str, ...]) -> None:
    names = [name for name, _ in model.named_modules() if name]
    for target in targets:
        if not any(is_matched((target,), name) for name in names):
            raise ConfigError(f"{FIELD}: {_rule(model)}, got {target!r}")


def adapted_weights(model: "PreTrainedModel", lora: LoraConfig) -> "Iterator[torch.Tensor]":
    """Yield the weights of the layers, in a model without adapters, that would get one."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    linear = dict(linear_layers(model))
    for name, module in model.named_modules():
        if lora.target_modules == "all-linear":
            is_adapted = name in linear and module is not head
        else:
            is_adapted = is_matched(lora.target_modules, name)
        weight = getattr(module, "weight", None)
        if is_adapted and weight is not None:
            yield weight


def linear_layers(model: "PreTrainedModel") -> "Iterator[tuple[str, torch.nn.Module]]":
    """Yield the names and modules of the linear layers, the output layer included."""
    import torch
    from transformers.pytorch_utils import Conv1D

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | Conv1D):
            yield name, module


def _rule(model: "PreTrainedModel") -> str:
    layers = dict.fromkeys(name.rpartition(".")[2] for name, _ in linear_layers(model))
    return f"must name linear layers of the model, which has {', '.join(layers)}"


def _quoted(targets: tuple[str, ...] | str) -> str:
    return repr(targets) if isinstance(targets, str) else ", ".join(map(repr, targets))
