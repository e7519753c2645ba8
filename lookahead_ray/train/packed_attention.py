"""Attention over rows that are packed into one sequence, registered with Transformers as `packed_rows`.

Every model that takes its attention from Transformers' interface can use it. It gets the rows' boundaries by
the arguments that Transformers defines for this, `cu_seq_lens_q` and `cu_seq_lens_k`, (rows + 1,), and
`max_length_q` and `max_length_k`. On GPUs torch's variable-length kernel computes all rows at once; on CPUs
each row is computed alone. Passes without boundaries, as in evaluation, get the usual mask.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from lookahead_ray.errors import LookaheadRayError

NAME = "packed_rows"

BOUNDARIES = ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k")
"""The arguments of a model that give the rows' boundaries."""

UNDERSTOOD = {"position_ids", "cache_position", *BOUNDARIES}
"""Tensors that an architecture may pass to its attention and that change nothing here."""


LONG = 1024
"""Tokens of a row from which CPUs use torch's fused kernel too, since the plain formula keeps all scores."""


class UnsupportedError(LookaheadRayError):
    """The attention of this model can't be computed on packed rows; the message says why."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Return softmax(q k^T) v, causal within each row of the packed sequence.

    If the rows' keys (`cu_seq_lens_k`) are more than their queries by n, the first n tokens of the sequence
    are a common beginning: row 0 computes it, and all rows attend to it.

    Args:
        query: (1, heads, tokens, size).
        key: (1, key heads, tokens, size), as `value`.
        sliding_window: number of last tokens, itself included, to which a token attends.
        softcap: bound of the scores, c tanh(score / c).
        s_aux: (heads,), score of a sink, a position without a value.

    Returns:
        (1, tokens, heads, size), and None in place of the weights.

    Raises:
        UnsupportedError: the architecture passes what this function doesn't know.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if cu_seq_lens_q is None:
        if softcap is None and s_aux is None:
            return sdpa_attention_forward(
                module, query, key, value, attention_mask, scaling=scaling, **others
            )
        return _formula(query, key, value, scale, attention_mask, softcap, s_aux).transpose(1, 2), None
    if attention_mask is not None and attention_mask.numel() > 1:  # not the one of `packing.pack_rows`
        raise UnsupportedError("it adds a mask of its own to its scores")
    _check(others)
    if _recording is not None:
        _recording.append(sliding_window)
    if uses_kernel(query):
        if softcap is not None or s_aux is not None:
            raise UnsupportedError("its scores are bounded or have a sink")
        longest = others["max_length_q"]
        return _by_kernel(query, key, value, scale, cu_seq_lens_q, longest, sliding_window), None
    starts, key_starts = cu_seq_lens_q.tolist(), others["cu_seq_lens_k"].tolist()
    lengths = [end - start for start, end in pairwise(starts)]
    shared = key_starts[-1] - key_starts[-2] - lengths[-1]
    mask = _causal(max(lengths) + shared, sliding_window, query.dtype)
    queries, keys, values = (torch.split(part, lengths, dim=2) for part in (query, key, value))
    outputs = []
    for row, (q, k, v) in enumerate(zip(queries, keys, values, strict=True)):
        before = shared if row else 0
        if before:
            k, v = torch.cat([keys[0], k], dim=2), torch.cat([values[0], v], dim=2)
        allowed = mask[before : before + q.shape[2], : k.shape[2]]
        if k.shape[2] >= LONG and softcap is None and s_aux is None:
            outputs.append(scaled_dot_product_attention(q, k, v, allowed, scale=scale, enable_gqa=True))
        else:
            outputs.append(_formula(q, k, v, scale, allowed, softcap, s_aux))
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def uses_kernel(query: torch.Tensor) -> bool:
    """Return whether torch's variable-length kernel runs where `query` is."""
    return query.is_cuda


def _formula(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    mask: torch.Tensor | None,
    softcap: float | None,
    sink: torch.Tensor | None,
) -> torch.Tensor:
    """Compute attention by the plain formula, for short rows on CPUs as fast as torch's fused kernel.

    Args:
        mask: added to the scores, or where it is boolean, true where a query attends to a key.

    Returns:
        (rows, heads, queries, size).
    """
    rows, heads, queries, size = query.shape
    grouped = (query * scale).reshape(rows, key.shape[1], -1, size)  # the heads that share a key head
    scores = torch.matmul(grouped, key.transpose(2, 3)).reshape(rows, heads, queries, -1)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is None and queries > 1:
        mask = _causal(key.shape[2], None, query.dtype)[-queries:].to(query.device)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    elif mask is not None:
        scores = scores + mask
    if sink is not None:
        sinks = sink.to(scores.dtype).view(1, -1, 1, 1).expand(rows, -1, queries, 1)
        scores = torch.cat([scores, sinks], dim=-1)
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    if sink is not None:
        weights = weights[..., :-1]
    output = torch.matmul(weights.reshape(rows, key.shape[1], -1, key.shape[2]), value)
    return output.reshape(rows, heads, queries, -1)


@lru_cache(maxsize=4)
def _causal(length: int, window: int | None, dtype: torch.dtype) -> torch.Tensor:
    """Return what is added to scores, (length, length): 0 where a query attends, else the lowest number."""
    with torch.inference_mode(False):  # it may serve a backward pass later
        allowed = torch.ones(length, length, dtype=torch.bool).tril()
        if window is not None:
            allowed &= torch.ones_like(allowed).triu(1 - window)
        return torch.zeros(length, length, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)


def _by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    boundaries: torch.Tensor,
    longest: int,
    window: int | None,
) -> torch.Tensor:
    """Compute attention of all rows by torch's variable-length kernel: (1, tokens, heads, size)."""
    from torch.nn.attention.varlen import varlen_attn  # imports the compiler, which takes a second

    size = value.shape[-1]
    if size < key.shape[-1]:  # the kernel wants equal sizes
        value = pad(value, (0, key.shape[-1] - size))
    output = varlen_attn(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        boundaries,
        boundaries,
        longest,
        longest,
        scale=scale,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(output, torch.Tensor)  # it is a tuple only with `return_aux`
    return output[None, ..., :size]


def _check(others: dict[str, Any]) -> None:
    unknown = [
        name for name, value in others.items() if isinstance(value, torch.Tensor) and name not in UNDERSTOOD
    ]
    if unknown:
        raise UnsupportedError(f"it passes {', '.join(unknown)} to its attention")
    if others.get("is_causal") is False:
        raise UnsupportedError("its attention isn't causal")


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

_recording: list[int | None] | None = None


@contextmanager
def recorded_windows() -> Iterator[list[int | None]]:
    """Yield a list that gets the `sliding_window` of each call of `attend` on packed rows in the block."""
    global _recording
    found: list[int | None] = []
    _recording = found
    try:
        yield found
    finally:
        _recording = None
