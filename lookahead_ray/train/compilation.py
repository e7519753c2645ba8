"""Decoder layers compiled by torch.compile, in the training passes alone.

All layers of a class share compiled code, for any number of tokens, and so do all models of a process: only
the first trial of a worker group waits for the compiler. A layer's own `forward` is replaced for the
duration, so modules, names of weights and hooks stay as they are; checkpointing is applied outside of the
compiled code. In evaluation mode layers run as they are.

Compiled and plain layers may complete their gradients in another order, and DeepSpeed's ranks must have the
same one. So all ranks compile, or none.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from transformers import AttentionInterface
from transformers.modeling_layers import GradientCheckpointingLayer

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.train import packed_attention
from lookahead_ray.train.pass_comparison import find_difference
from lookahead_ray.train.process_group import gather_everywhere

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VARIANTS = 64
"""Most variants of a layer's code, by precision, adapters and kinds of layers, in one process."""

Forward = Callable[..., Any]

_reasons: dict[tuple[Any, ...], str | None] = {}


@contextmanager
def compiled_layers(model: "PreTrainedModel", config: TrainingConfig) -> Iterator[None]:
    """Compile the decoder layers of `model` in the block if `training.compile` says so and `can_compile`; all
    ranks must call it together.

    If a single rank can't compile a variant that a batch needs, it continues with plain layers and logs it.

    Raises:
        TrialError: in the block, one of several ranks could not compile such a variant.
    """
    if not is_wanted(config, model.device) or not can_compile(model):
        yield
        return
    with _settings(), _replaced(find_layers(model), _Run(model.config.model_type, dist.get_world_size())):
        yield


def is_wanted(config: TrainingConfig, device: torch.device) -> bool:
    """Return whether `training.compile` asks for compiled layers on `device`."""
    if config.compile == "auto":
        return device.type == "cuda" and not config.liger
    return config.compile


def can_compile(model: "PreTrainedModel") -> bool:
    """Compile the decoder layers of `model`; return whether that worked on all ranks.

    All ranks must call it together, with the model as it is trained. Why it did not work is logged once for
    each architecture.
    """
    layers = find_layers(model)
    key = _key(model, layers)
    if key not in _reasons:
        reasons = gather_everywhere(find_obstacle(model, layers))
        _reasons[key] = reason = next(filter(None, reasons), None)
        if reason:
            _log(model.config.model_type, reason)
    return _reasons[key] is None


def find_layers(model: torch.nn.Module) -> list[GradientCheckpointingLayer]:
    """Return the decoder layers, of which Transformers marks those of all its models."""
    return [
        module
        for module in model.modules()
        if isinstance(module, GradientCheckpointingLayer) and "forward" not in vars(module)
    ]


def find_obstacle(model: "PreTrainedModel", layers: Sequence[GradientCheckpointingLayer]) -> str | None:
    """Return why `layers` can't be compiled; None if two short rows have the same logits and gradients.

    No gradient is accumulated, and no hook of an engine around the model is called.
    """
    if not layers:
        return "it has no layers that Transformers marks"
    if model.device.type == "cpu":  # its attention reads the rows' boundaries, which compiled code can't
        apart: Any = torch.compiler.disable  # torch lacks its annotation
        AttentionInterface.register(packed_attention.NAME, apart(packed_attention.attend))
    try:
        with _settings():
            differs = find_difference(model, _replaced(layers, _Run(model.config.model_type, 0)), layers[0])
    except Exception as error:  # of any kind, as any architecture may be tried; plain layers always work
        return _compiler_message(error)
    return f"compiled layers give other {differs}" if differs else None


def _compiler_message(error: Exception) -> str:
    """Return the first line of what made the compiler fail."""
    cause = getattr(error, "inner_exception", error)
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


@dataclass
class _Run:
    """Passes through layers: compiled, until that fails on a single rank.

    Attributes:
        ranks: number of ranks; 0 if a failure is raised as it is.
    """

    model_type: str
    ranks: int
    failed: bool = False

    def __call__(self, layer: GradientCheckpointingLayer, *args: Any, **kwargs: Any) -> Any:
        if not layer.training or self.failed:
            return type(layer).forward(layer, *args, **kwargs)
        if layer.gradient_checkpointing:
            checkpoint: Any = layer._gradient_checkpointing_func
            return checkpoint(partial(self._compiled, layer, **kwargs), *args)
        return self._compiled(layer, *args, **kwargs)

    def _compiled(self, layer: GradientCheckpointingLayer, *args: Any, **kwargs: Any) -> Any:
        from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

        # Transformers wraps the class's own `forward` to checkpoint it
        plain: Forward = type(layer).forward.__wrapped__  # type: ignore[attr-defined]
        if self.failed:
            return plain(layer, *args, **kwargs)
        try:
            return compile_once(plain)(layer, *args, **kwargs)
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            if self.ranks == 0:
                raise
            reason = _compiler_message(error)
            if self.ranks > 1:
                raise TrialError(
                    f"a layer could not be compiled for a batch: {reason}; set training.compile: false"
                ) from error
        self.failed = True
        _log(self.model_type, reason)
        return plain(layer, *args, **kwargs)


@cache
def compile_once(function: Forward) -> Forward:
    """Return `function`, compiled for any number of tokens when it is first called."""
    return torch.compile(function, dynamic=True)


@contextmanager
def _replaced(layers: Sequence[GradientCheckpointingLayer], run: _Run) -> Iterator[None]:
    for layer in layers:
        vars(layer)["forward"] = partial(run, layer)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["forward"]


@contextmanager
def _settings() -> Iterator[None]:
    """Let the compiler fail where it would go on with plain code in silence, and before a backward pass."""
    import torch._dynamo
    import torch._functorch.config

    with (
        torch._dynamo.config.patch(recompile_limit=VARIANTS, fail_on_recompile_limit_hit=True),
        torch._functorch.config.patch(force_non_lazy_backward_lowering=True),
    ):
        yield


def _key(model: "PreTrainedModel", layers: Sequence[GradientCheckpointingLayer]) -> tuple[Any, ...]:
    """Return what decides about the layers' code."""
    checkpointed = any(layer.gradient_checkpointing for layer in layers)
    trained = tuple(
        (name, weight.shape)
        for layer in layers[:1]
        for name, weight in layer.named_parameters()
        if weight.requires_grad
    )
    attention = model.config._attn_implementation
    return (model.config.to_json_string(), model.dtype, model.device.type, attention, checkpointed, trained)


def _log(model_type: str, reason: str) -> None:
    logging.getLogger(__name__).warning(
        "layers of %s are not compiled, which costs time: %s", model_type, reason
    )
