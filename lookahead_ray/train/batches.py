"""The assignment of examples to micro-batches: a deterministic plan that every rank computes locally.

The order of examples and the global batches depend only on the random seed, never on the number of ranks, so
one and two ranks process the same data in the same optimiser step.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.train.packing import pack_rows, packed_tokens


@dataclass(frozen=True, slots=True)
class GlobalBatch:
    """The examples of one optimiser step. `micro[a][r]`: indices of rank r in accumulation step a."""

    epoch: int  # from 0
    micro: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def examples(self) -> list[int]:
        """Return the indices of all examples in the batch."""
        return [index for step in self.micro for share in step for index in share]


def accumulation_steps(batch_size: int, micro_batch_size: int, world_size: int) -> int:
    """Return the forward passes of each rank in one optimiser step."""
    return math.ceil(batch_size / (micro_batch_size * world_size))


def plan_batches(
    lengths: Sequence[int], *, epochs: int, batch_size: int, micro_batch_size: int, world_size: int, seed: int
) -> Iterator[GlobalBatch]:
    """Yield the global batches in training order.

    Each epoch is a new permutation. Within a global batch examples are sorted by length, so that a
    micro-batch has little padding and the ranks of one accumulation step do about equal work. The last batch
    of an epoch may be smaller; some of its shares may then be empty.

    Args:
        lengths: (examples,) tokens of each rendered example.
    """
    accumulation = accumulation_steps(batch_size, micro_batch_size, world_size)
    for epoch in range(epochs):
        order = list(range(len(lengths)))
        random.Random(f"{seed}-{epoch}").shuffle(order)
        for start in range(0, len(order), batch_size):
            batch = sorted(order[start : start + batch_size], key=lambda index: (lengths[index], index))
            shares = _split(batch, accumulation * world_size)
            micro = tuple(
                tuple(shares[step * world_size : (step + 1) * world_size]) for step in range(accumulation)
            )
            yield GlobalBatch(epoch, micro)


def optimiser_steps(examples: int, epochs: int, batch_size: int) -> int:
    """Return the optimiser steps of a whole training."""
    return epochs * math.ceil(examples / batch_size)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Tensors of one forward pass.

    Attributes:
        inputs: arguments of the model, including `input_ids` (batch, seq).
        positions: (answer tokens,), indices into the flattened `input_ids` of the inputs that predict answer
            tokens, row by row.
        targets: (answer tokens,), the answer tokens.
    """

    inputs: dict[str, torch.Tensor]
    positions: torch.Tensor
    targets: torch.Tensor


def collate(rows: Sequence[Rendered], pad_id: int, model: Any) -> MicroBatch:
    """Make the tensors of a micro-batch for `model`: packed (see `packing`), or else padded on the right.

    Under causal attention no token attends to padding on its right, so padded rows need no mask, which
    torch's fastest attention kernels do not support. The last answer token is a target only, never an input.
    """
    targets = torch.tensor([token for row in rows for token in row.answer_ids])
    if packed_tokens(model, rows) is None:
        inputs, positions = _pad(rows, pad_id)
    else:
        inputs, positions = pack_rows(rows, model.dtype)
    device = model.device
    moved = {name: tensor.to(device) for name, tensor in inputs.items()}
    return MicroBatch(moved, positions.to(device), targets.to(device))


def _pad(rows: Sequence[Rendered], pad_id: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    width = max(row.length for row in rows) - 1
    input_ids = torch.full((len(rows), width), pad_id)
    positions: list[int] = []
    for index, row in enumerate(rows):
        input_ids[index, : row.length - 1] = torch.tensor([*row.prompt_ids, *row.answer_ids[:-1]])
        first = index * width + len(row.prompt_ids) - 1
        positions += range(first, first + len(row.answer_ids))
    return {"input_ids": input_ids}, torch.tensor(positions)


def left_pad(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both (rows, longest row), rows aligned to the right."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad_id)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, width - len(row) :] = torch.tensor(row)
        mask[index, width - len(row) :] = 1
    return ids, mask


def _split(batch: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """Split `batch` into `parts` contiguous shares whose sizes differ by at most one."""
    size, larger = divmod(len(batch), parts)
    shares, start = [], 0
    for part in range(parts):
        end = start + size + (part < larger)
        shares.append(tuple(batch[start:end]))
        start = end
    return shares
