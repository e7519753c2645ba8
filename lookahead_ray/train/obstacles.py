"""What keeps an architecture from a faster way to compute: each is tried once on short rows."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from lookahead_ray.model.load import LARGEST_ROUNDING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LARGEST_DIFFERENCE = 0.3
"""Of logits in half precision from those of the plain way, both norms: rounding alone can cause 0.1."""

Reasons = dict[tuple[Any, ...], str | None]
"""Architecture -> why it can't be computed in a way; None if it can."""


def is_free(
    model: "PreTrainedModel",
    find: Callable[["PreTrainedModel"], str | None],
    known: Reasons,
    instead: str,
) -> bool:
    """Return whether nothing keeps `model` from a way to compute; a new obstacle is logged.

    Args:
        find: returns the obstacle of an architecture that is not in `known`, to which it is added.
        instead: what happens in its place, for the log; %s in it stands for the kind of model.
    """
    key = (type(model), model.config.to_json_string(), model.dtype, model.device.type)
    if key not in known:
        known[key] = reason = find(model)
        if reason:
            logging.getLogger(__name__).warning("%s: %s", instead % model.config.model_type, reason)
    return known[key] is None


def differs(logits: torch.Tensor, plain: torch.Tensor, dtype: torch.dtype) -> bool:
    """Return whether logits of a model in `dtype` differ by more than rounding from the plain ones."""
    tolerance = LARGEST_ROUNDING if dtype == torch.float32 else LARGEST_DIFFERENCE
    return not bool((logits - plain).norm() <= tolerance * plain.norm().clamp(min=1e-9))


def describe_obstacle(error: Exception) -> str:
    """Return the first line of an error's message, or its class if it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
