"""Models on PyTorch's meta device in less time: what their modules compute, such as angles, is computed.

Computing on the meta device takes PyTorch's compiler, whose import takes longer than all of the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from transformers import AutoModelForCausalLM
from transformers.initialization import no_init_weights

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

ALLOCATIONS = (torch.empty, torch.zeros, torch.ones, torch.full)
"""Functions that make weights."""


def build_without_weights(architecture: "PreTrainedConfig") -> "PreTrainedModel":
    """Return a causal language model in bf16 whose weights are on the meta device.

    Raises what Transformers raises for a configuration that it can't build.
    """
    try:
        return _build(architecture, _MetaWeights())
    except RuntimeError:  # a module computes with weights
        return _build(architecture, torch.device("meta"))


def _build(architecture: "PreTrainedConfig", device: AbstractContextManager[Any]) -> "PreTrainedModel":
    with device, no_init_weights():
        model: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            architecture, dtype=torch.bfloat16, trust_remote_code=False
        )
    model.tie_weights()  # left out with the numbers
    return model


class _MetaWeights(TorchFunctionMode):
    """The meta device as the default of `ALLOCATIONS` only."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func in ALLOCATIONS and options.get("device") is None:
            options["device"] = "meta"
        return func(*args, **options)
