"""The assignment of examples to micro-batches: a deterministic plan that every rank computes locally.

The order of examples and the global batches depend only on the random seed, never on the number of ranks, so
one and two ranks process the same data in the same optimiser step.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.device import move
from lookahead_ray.train.packing import pack_rows, packs, shared_tokens
from lookahead_ray.train.partition import split_evenly


@dataclass(frozen=True, slots=True)
class GlobalBatch:
    """The examples of one optimiser step. `micro[a][r]`: indices of rank r in accumulation step a."""

    epoch: int  # from 0
    micro: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def examples(self) -> list[int]:
        """Return the indices of all examples in the batch, ascending."""
        return sorted(index for step in self.micro for share in step for index in share)


def plan_batches(
    lengths: Sequence[int], config: TrainingConfig, *, world_size: int, seed: int, packed: bool
) -> tuple[GlobalBatch, ...]:
    """Return the global batches in training order; all have the same number of accumulation steps.

    Each epoch is a new permutation. The last batch of an epoch may be smaller; some of its shares may then be
    empty.

    Packed rows are spread so that all micro-batches of a global batch have about as many tokens, and those of
    the same accumulation step most nearly. Rows that will be padded are sorted by length instead, so that a
    micro-batch has little padding; so are those under `protocol: paper`, because its mean depends on which
    rows form a micro-batch.

    Args:
        lengths: (examples,) tokens of each rendered example.
        packed: whether the model computes packed rows (`packing.packs`).
    """
    return _plan(tuple(lengths), config, world_size, seed, packed and config.protocol == "fixed")


@lru_cache(maxsize=2)
def _plan(
    lengths: tuple[int, ...], config: TrainingConfig, world_size: int, seed: int, balanced: bool
) -> tuple[GlobalBatch, ...]:
    chosen = [
        (epoch, order[start : start + config.batch_size])
        for epoch in range(config.epochs)
        for order in [_permutation(len(lengths), f"{seed}-{epoch}")]
        for start in range(0, len(order), config.batch_size)
    ]
    batches = [(epoch, sorted(batch, key=lambda index: (lengths[index], index))) for epoch, batch in chosen]
    accumulation = accumulation_steps(config.batch_size, config.micro_batch_size, world_size)
    if config.micro_batch_tokens is not None:
        accumulation = max(
            _steps_within(
                config.micro_batch_tokens, [lengths[index] for index in batch], world_size, balanced
            )
            for _, batch in batches
        )
    plan = []
    for epoch, batch in batches:
        shares = _split([lengths[index] for index in batch], accumulation * world_size, balanced)
        found = [tuple(batch[place] for place in share) for share in shares]
        micro = tuple(
            tuple(found[step * world_size : (step + 1) * world_size]) for step in range(accumulation)
        )
        plan.append(GlobalBatch(epoch, micro))
    return tuple(plan)


def optimiser_steps(examples: int, epochs: int, batch_size: int) -> int:
    """Return the optimiser steps of a whole training."""
    return epochs * math.ceil(examples / batch_size)


def accumulation_steps(batch_size: int, micro_batch_size: int, world_size: int) -> int:
    """Return the forward passes of each rank in one optimiser step, without a budget of tokens."""
    return math.ceil(batch_size / (micro_batch_size * world_size))


def _steps_within(budget: int, lengths: Sequence[int], world_size: int, balanced: bool) -> int:
    """Return the least number of accumulation steps in which no micro-batch of several rows exceeds `budget`
    tokens, padding included.

    Args:
        lengths: (rows,) tokens of the rows of one global batch, ascending.
    """
    steps = max(1, math.ceil(sum(lengths) / (budget * world_size)))
    while any(
        len(share) > 1 and _paid([lengths[place] for place in share], balanced) > budget
        for share in _split(lengths, steps * world_size, balanced)
    ):
        steps += 1
    return steps


def _paid(lengths: Sequence[int], packed: bool) -> int:
    return sum(lengths) if packed else len(lengths) * max(lengths)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Tensors of one forward pass.

    Attributes:
        inputs: arguments of the model, including `input_ids` (batch, seq); of packed rows (1, tokens).
        positions: (answer tokens,), indices into the flattened `input_ids` of the inputs that predict answer
            tokens, row by row.
        targets: (answer tokens,), the answer tokens.
    """

    inputs: dict[str, torch.Tensor | int]
    positions: torch.Tensor
    targets: torch.Tensor


def collate(rows: Sequence[Rendered], pad_id: int, model: Any) -> MicroBatch:
    """Make the tensors of a micro-batch for `model`: packed (see `packing`), or else padded on the right.

    Under causal attention no token attends to padding on its right, so padded rows need no mask, which
    torch's fastest attention kernels do not support. The last answer token is a target only, never an input.
    """
    targets = torch.tensor([token for row in rows for token in row.answer_ids])
    inputs, positions = pack_rows(rows, shared_tokens(model, rows)) if packs(model) else _pad(rows, pad_id)
    device = model.device
    moved = {
        name: move(part, device) if isinstance(part, torch.Tensor) else part for name, part in inputs.items()
    }
    return MicroBatch(moved, move(positions, device), move(targets, device))


def _pad(rows: Sequence[Rendered], pad_id: int) -> tuple[dict[str, torch.Tensor | int], torch.Tensor]:
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


def _permutation(length: int, seed: str) -> list[int]:
    order = list(range(length))
    random.Random(seed).shuffle(order)
    return order


def _split(lengths: Sequence[int], parts: int, balanced: bool) -> list[tuple[int, ...]]:
    """Return the places of `lengths`, which ascend, in `parts` shares whose sizes differ by at most one:
    balanced by tokens, or contiguous."""
    if balanced:
        return split_evenly(lengths, parts)
    size, larger = divmod(len(lengths), parts)
    ends = [part * size + min(part, larger) for part in range(parts + 1)]
    return [tuple(range(start, end)) for start, end in pairwise(ends)]
