"""Liger's kernels for norms, rotary positions and gated MLPs, in the training passes alone.

The optional package liger-kernel replaces functions and classes in Transformers' module of an architecture
and the `forward` of a model's own modules. All of it is put back after training, so the evaluation and other
models of the process run as they are. Its losses are not used: here only answer tokens have logits.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.train.compilation import find_layers
from lookahead_ray.train.pass_comparison import find_difference
from lookahead_ray.train.process_group import gather_everywhere

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KERNELS = {"cross_entropy": False, "fused_linear_cross_entropy": False}
"""Liger's kernels that are not used; the others are by default."""


def find_liger_obstacle(model_type: str) -> str | None:
    """Return why Liger has no kernels for a model of this type; None if it has."""
    if find_spec("liger_kernel") is None:
        return "must be false where liger-kernel is not installed (pip install 'lookahead-ray[liger]')"
    patches = import_module("liger_kernel.transformers.monkey_patch")
    if model_type not in patches.MODEL_TYPE_TO_APPLY_LIGER_FN:
        return f"must be false for a model that Liger does not know ({model_type})"
    return None


@contextmanager
def liger_kernels(model: "PreTrainedModel", config: TrainingConfig) -> Iterator[None]:
    """Use Liger's kernels for the passes of `model` in the block if `training.liger` says so."""
    if not config.liger:
        yield
        return
    from transformers import trainer_utils
    from transformers.integrations import liger

    apply: Any = liger.apply_liger_kernel  # Transformers lacks its annotations
    unwrap: Any = trainer_utils.unwrap_peft_model
    # a type's module holds the functions and classes that its models call by name
    modeling = vars(sys.modules[type(unwrap(model)).__module__])
    places = [modeling, *(vars(module) for module in model.modules())]
    before = [dict(place) for place in places]
    apply(model, KERNELS)
    changed = [
        {name for name, value in place.items() if name not in old or old[name] is not value}
        for place, old in zip(places, before, strict=True)
    ]
    try:
        yield
    finally:
        for place, old, names in zip(places, before, changed, strict=True):
            for name in names:
                if name in old:
                    place[name] = old[name]
                else:
                    del place[name]


def check_liger(model: "PreTrainedModel", config: TrainingConfig) -> None:
    """Check on two short rows that Liger's kernels compute what the model does.

    All ranks must call it together.

    Raises:
        TrialError: on one of the ranks they can't, or give other logits or gradients.
    """
    if not config.liger:
        return
    try:
        layer = next(iter(find_layers(model)), model)
        differs = find_difference(model, liger_kernels(model, config), layer)
        reason = f"Liger's kernels give other {differs}" if differs else None
    except Exception as error:  # of any kind, as kernels are compiled for any architecture and device
        reason = f"Liger's kernels failed: {type(error).__name__}: {error}"
    if reason := next(filter(None, gather_everywhere(reason)), None):
        raise TrialError(f"{reason}; set training.liger: false")
