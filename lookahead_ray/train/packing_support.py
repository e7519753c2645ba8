"""Which models can be trained on packed rows: each is tried on two short rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.model.load import LARGEST_ROUNDING
from lookahead_ray.train.obstacles import Reasons, describe_obstacle, differs, is_free
from lookahead_ray.train.packed_attention import NAME, recorded_windows
from lookahead_ray.train.packing import pack_rows, packs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LAYERS = {"full_attention", "sliding_attention"}
"""Kinds of layers, as in `layer_types` of a configuration, that see nothing but a token's own row."""

TRIED = (Rendered((1, 2, 3), (4, 1)), Rendered((4, 3), (2, 1, 2, 1)))
OTHER = Rendered((2, 4, 1), (3, 1))  # as long as the first one
FIRST = TRIED[0].length - 1

_reasons: Reasons = {}


def enable_packing(model: "PreTrainedModel") -> bool:
    """Set `model`'s attention to that of packed rows, if it can compute them; return whether it can.

    Why it can't is logged once for each architecture.
    """
    packable = is_free(model, why_not, _reasons, "rows of %s are padded, which costs time")
    if packable:
        model.set_attn_implementation(NAME)
    return packable


@contextmanager
def packing(model: "PreTrainedModel") -> Iterator[None]:
    """Let passes inside the block compute packed rows, if `model` can; not for backward passes after it."""
    before = model.config._attn_implementation
    enable_packing(model)
    try:
        yield
    finally:
        if packs(model):
            model.set_attn_implementation(before)


@torch.no_grad()
def why_not(model: "PreTrainedModel") -> str | None:
    """Return why `model` can't compute packed rows; None if it can.

    Every layer must use the registered attention, and a window must reach it. Of two rows, the second must
    have the same logits after another first row, and both in the other order, and about those that each has
    alone with the model's own attention.
    """
    config = model.config.get_text_config()
    before, was_training = model.config._attn_implementation, model.training
    kinds = list(getattr(config, "layer_types", None) or ())
    other = set(kinds) - LAYERS
    if not getattr(model, "_supports_attention_backend", False):
        return "its attention can't be replaced"
    if other:
        return f"it has layers of the kind {', '.join(sorted(other))}"
    if model.device.type == "cuda" and model.dtype == torch.float32:
        return "torch's variable-length attention computes no fp32"
    model.eval()  # type: ignore[no-untyped-call]
    try:
        model.set_attn_implementation("eager")
        alone = torch.cat([_logits(model, [row]) for row in TRIED])
        model.set_attn_implementation(NAME)
        with recorded_windows() as windows:
            packed = _logits(model, TRIED)
        after_other = _logits(model, [OTHER, TRIED[1]])
        swapped = _logits(model, TRIED[::-1]).roll(FIRST, dims=0)
    except Exception as error:  # of any kind, as any architecture may be tried; padding always works
        return describe_obstacle(error)
    finally:
        model.set_attn_implementation(before)
        model.train(was_training)
    if len(windows) != config.num_hidden_layers:
        return f"{config.num_hidden_layers - len(windows)} of its layers have another attention"
    windowed = kinds.count("sliding_attention") if kinds else bool(getattr(config, "sliding_window", None))
    if sum(window is not None for window in windows) < windowed:
        return "its window doesn't reach the attention"
    rounding = LARGEST_ROUNDING * packed.abs().max().clamp(min=1e-9)
    if (packed - after_other)[FIRST:].abs().max() > rounding or (packed - swapped).abs().max() > rounding:
        return "a packed row's logits depend on the other rows"
    if differs(packed, alone, model.dtype):
        return "packed rows give other logits"
    return None


def _logits(model: "PreTrainedModel", rows: Sequence[Rendered]) -> torch.Tensor:
    """Return the logits of all inputs of `rows`, (tokens, vocab): packed, or of a single row as usual."""
    inputs, _ = pack_rows(rows)
    if not packs(model):
        inputs = {"input_ids": inputs["input_ids"]}
    moved = {
        name: part.to(model.device) if isinstance(part, torch.Tensor) else part
        for name, part in inputs.items()
    }
    logits: torch.Tensor = model(**moved, use_cache=False).logits
    return logits[0].float()
