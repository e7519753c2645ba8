"""Packing of a micro-batch's rows into one sequence: no padding, and the common prefix is computed once.

A mask separates rows: each token attends to the common prefix and to its own row. Positions count within a
row, so the result is the same as row by row. Attention scores grow with the square of the sequence length, so
only short sequences are packed. The chats of a task share a prefix, the system prompt.

Two rows with prompts `s s a b` and `s s c` and answers `x y` and `z`, whose last tokens are targets only::

    input_ids      s s | a b x | c
    position_ids   0 1 | 2 3 4 | 2
    row            - - | 0 0 0 | 1
    predicts           |   x y | z
"""

from collections.abc import Sequence
from os.path import commonprefix
from typing import Any

import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.compute import Work, teacher_forced
from lookahead_ray.model.load import sees_positions_alone

MOST_TOKENS = 512
"""Maximum length of a packed sequence."""

NO_ROW = -1
"""Row of the tokens of the common prefix, to which every row attends."""


def shared_tokens(rows: Sequence[Rendered]) -> int:
    """Return the length of the prompts' common prefix in tokens, without the last token of any prompt."""
    prompts = [row.prompt_ids for row in rows]
    common = commonprefix(prompts)  # noqa: RUF071  # of tokens, not of paths
    return min(len(common), min(map(len, prompts)) - 1)


def packed_tokens(model: Any, rows: Sequence[Rendered]) -> int | None:
    """Return the length of the packed sequence of `rows`; None if they are padded instead.

    Two or more rows are packed on CPUs if they are short enough and the model has full attention with rotary
    positions.
    """
    if len(rows) < 2 or model.device.type != "cpu" or not sees_positions_alone(model):
        return None
    shared = shared_tokens(rows)
    tokens = shared + sum(row.length - 1 - shared for row in rows)  # the last answer token is not an input
    return tokens if tokens <= MOST_TOKENS else None


def work_of(model: Any, rows: Sequence[Rendered]) -> Work:
    """Return the work of one pass of `model` over a micro-batch, in the shapes of `batches.collate`."""
    tokens = packed_tokens(model, rows)
    if tokens is None:
        return teacher_forced(rows)
    return Work(tokens, tokens**2, sum(len(row.answer_ids) for row in rows))


def pack_rows(rows: Sequence[Rendered], dtype: torch.dtype) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return the inputs of a forward pass over `rows` as one sequence, and where answers are predicted.

    Args:
        dtype: dtype of the model's activations.

    Returns:
        `input_ids` and `position_ids`, both (1, tokens), and `attention_mask`, (1, 1, tokens, tokens), which
        is added to the scores; then (answer tokens,), indices of the inputs that predict answer tokens.
    """
    shared = shared_tokens(rows)
    input_ids = list(rows[0].prompt_ids[:shared])
    position_ids = list(range(shared))
    row_of_token = [NO_ROW] * shared
    predicting: list[int] = []
    for index, row in enumerate(rows):
        own = [*row.prompt_ids[shared:], *row.answer_ids[:-1]]
        first = len(input_ids) + len(row.prompt_ids) - shared - 1  # the prompt's last token
        predicting += range(first, first + len(row.answer_ids))
        input_ids += own
        position_ids += range(shared, shared + len(own))
        row_of_token += [index] * len(own)
    key_rows = torch.tensor(row_of_token)  # (tokens,)
    attends = (key_rows == key_rows[:, None]) | (key_rows == NO_ROW)  # (queries, keys)
    attends &= torch.ones_like(attends).tril()
    mask = torch.zeros(attends.shape, dtype=dtype).masked_fill_(~attends, torch.finfo(dtype).min)
    inputs = {
        "input_ids": torch.tensor(input_ids)[None],
        "position_ids": torch.tensor(position_ids)[None],
        "attention_mask": mask[None, None],
    }
    return inputs, torch.tensor(predicting)
