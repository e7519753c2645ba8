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

    The query heads that share a key head take the place of tokens. On CPUs torch's fused kernel takes nearly
    twice as long as the formula in this case; it computes all other cases.

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
    attend = _by_formula if query.device.type == "cpu" else _by_kernel
    return attend(grouped, key, value, attention_mask, scale).reshape(rows, tokens, heads, -1), None


def _by_formula(
    grouped: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scale: float
) -> torch.Tensor:
    """Return the attention of `grouped` (rows, key heads, query heads of each, size)."""
    scores = torch.matmul(key, grouped.transpose(2, 3)).transpose(2, 3).float()
    weights = scores.mul_(scale).add_(mask).softmax(-1).to(value.dtype)
    return torch.matmul(weights, value)


def _by_kernel(
    grouped: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scale: float
) -> torch.Tensor:
    """Return the same by torch's fused kernel, which would need repeated keys for ungrouped query heads."""
    spread = mask.expand(-1, -1, grouped.shape[2], -1)
    return functional.scaled_dot_product_attention(grouped, key, value, spread, scale=scale)


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
