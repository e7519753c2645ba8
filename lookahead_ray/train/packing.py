"""Packing of a micro-batch's rows into one sequence without padding.

Each token attends to the earlier ones of its own row, and positions count within a row, so the result is the
same as row by row. On CPUs the tokens with which all prompts begin, as chats with a system prompt do, are
computed once, and every row attends to them.

Two rows with prompts `s s a b` and `s s c` and answers `x y` and `z`, whose last tokens are targets only::

    input_ids      s s | a b x | c
    position_ids   0 1 | 2 3 4 | 2
    predicts           |   x y | z
    cu_seq_lens_q  0     2       5   6
    cu_seq_lens_k  0     2       7   10
"""

from collections.abc import Sequence
from itertools import accumulate
from os.path import commonprefix
from typing import Any

import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.compute import Work, teacher_forced
from lookahead_ray.train.packed_attention import NAME

SHARING = ("cpu",)
"""Devices on which the tokens with which all prompts begin are computed once."""


def packs(model: Any) -> bool:
    """Return whether rows of `model` are packed; `packing_support.enable_packing` sets it."""
    return bool(model.config._attn_implementation == NAME)


def shared_tokens(model: Any, rows: Sequence[Rendered]) -> int:
    """Return the number of first tokens that are computed once for all rows: none on GPUs or without packing.

    The last token of a prompt is never among them.
    """
    if len(rows) < 2 or model.device.type not in SHARING or not packs(model):
        return 0
    prompts = [row.prompt_ids for row in rows]
    common = commonprefix(prompts)  # noqa: RUF071  # of tokens, not of paths
    return min(len(common), min(map(len, prompts)) - 1)


def work_of(model: Any, rows: Sequence[Rendered]) -> Work:
    """Return the work of one pass of `model` over a micro-batch: padding isn't counted, and a token that is
    computed once for all rows is counted once."""
    shared = shared_tokens(model, rows)
    if not shared:
        return teacher_forced(rows)
    own = [row.length - 1 - shared for row in rows]
    pairs = shared**2 + sum(tokens * (shared + tokens) for tokens in own)
    return Work(shared + sum(own), pairs, sum(len(row.answer_ids) for row in rows))


def pack_rows(
    rows: Sequence[Rendered], shared: int = 0
) -> tuple[dict[str, torch.Tensor | int], torch.Tensor]:
    """Return the inputs of a forward pass over `rows` as one sequence, and where answers are predicted.

    Args:
        shared: number of first tokens of all prompts that are computed once.

    Returns:
        `input_ids` and `position_ids`, both (1, tokens); the boundaries that `packed_attention` reads; an
        `attention_mask` that only stops Transformers from making one. Then (answer tokens,), indices of the
        inputs that predict answer tokens.
    """
    input_ids = list(rows[0].prompt_ids[:shared])
    position_ids = list(range(shared))
    queries = [shared] if shared else []
    keys = list(queries)
    predicting: list[int] = []
    for row in rows:
        own = [*row.prompt_ids[shared:], *row.answer_ids[:-1]]
        first = len(input_ids) + len(row.prompt_ids) - shared - 1  # the prompt's last token
        predicting += range(first, first + len(row.answer_ids))
        input_ids += own
        position_ids += range(shared, shared + len(own))
        queries.append(len(own))
        keys.append(shared + len(own))
    inputs: dict[str, torch.Tensor | int] = {
        "input_ids": torch.tensor(input_ids)[None],
        "position_ids": torch.tensor(position_ids)[None],
        "attention_mask": torch.zeros(1, 1, 1, 1),
        "cu_seq_lens_q": _boundaries(queries),
        "cu_seq_lens_k": _boundaries(keys),
        "max_length_q": max(queries),
        "max_length_k": max(keys),
    }
    return inputs, torch.tensor(predicting)


def _boundaries(lengths: Sequence[int]) -> torch.Tensor:
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)
