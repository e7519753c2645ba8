"""Attention for decoding, with one new token per row in each pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "token_by_token"


def token_by_token(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Return softmax(q k^T) v for a single token of each row, without copying keys or values.

    The query heads that share a key head take the place of tokens, so torch's fused kernel reads each key
    once; other cases are computed as Transformers does.

    Args:
        query: (rows, heads, tokens, size).
        key: (rows, key heads, positions, size), as `value`.
        attention_mask: added to the scores, (rows, 1, tokens, positions).

    Returns:
        (rows, tokens, heads, size), and None in place of the weights.
    """
    rows, heads, tokens, size = query.shape
    if tokens > 1 or attention_mask is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **{**others, "is_causal": False}
        )
    grouped = query.reshape(rows, key.shape[1], -1, size)
    scale = size**-0.5 if scaling is None else scaling
    spread = attention_mask.expand(-1, -1, grouped.shape[2], -1)
    found = functional.scaled_dot_product_attention(grouped, key, value, spread, scale=scale)
    return found.reshape(rows, tokens, heads, -1), None


AttentionInterface.register(NAME, token_by_token)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextmanager
def generating(model: "PreTrainedModel") -> Iterator[None]:
    """Make `model` use `token_by_token` inside the block, unless its family has its own attention."""
    if not (getattr(model, "_supports_attention_backend", False) and getattr(model, "_supports_sdpa", False)):
        yield
        return
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
