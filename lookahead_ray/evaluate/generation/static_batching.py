"""Greedy generation in left-padded static batches, for models whose attention counts cache positions."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from lookahead_ray.evaluate.generation.meter import Meter
from lookahead_ray.method.reporting import Writing
from lookahead_ray.train.batches import left_pad

COMPACT_BELOW = 0.8  # share of computed rows still running, below which finished rows are dropped


def in_batches(
    model: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    batch_size: int,
    end_ids: frozenset[int],
    pad_id: int,
    progress: Callable[[Writing], None] | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """Yield (prompt index, answer without the end token), for `prompts` sorted by length.

    Args:
        limits: maximum new tokens of each answer, at least 1.
        progress: called after each pass.
    """
    meter = Meter(model, sum(map(len, prompts)), limits, batch_size, progress)
    starts = range(0, len(prompts), batch_size)
    later = [max(limits[start : start + batch_size]) for start in starts]  # steps of each batch
    for start in starts:
        batch = prompts[start : start + batch_size]
        later.pop(0)
        answers: list[list[int]] = [[] for _ in batch]
        for row, token in _greedy(
            model, batch, limits[start : start + batch_size], end_ids, pad_id, meter, sum(later)
        ):
            answers[row].append(token)
        yield from enumerate(answers, start=start)


def _greedy(
    model: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    end_ids: frozenset[int],
    pad_id: int,
    meter: Meter,
    later: int,
) -> Iterator[tuple[int, int]]:
    """Yield (row, token) pairs, the tokens of each row in order. Finished rows leave the batch.

    Args:
        later: steps of the batches after this one, for `meter`.
    """
    device = model.device
    rows = list(range(len(prompts)))  # prompt index of each row still computed
    running = [True] * len(rows)
    cache = DynamicCache(config=model.config)
    inputs, mask = (tensor.to(device) for tensor in left_pad(prompts, pad_id))
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    reading = sum(map(len, prompts))
    for said in range(1, max(limits) + 1):
        logits = model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        tokens = logits.argmax(-1)
        generated, spared = sum(running), 0
        for index, token in enumerate(tokens.tolist()):
            if running[index] and token in end_ids:
                running[index] = False
                spared += limits[rows[index]] - said
            if running[index]:
                yield rows[index], token
                running[index] = said < limits[rows[index]]
        most = max((limits[rows[index]] - said for index, runs in enumerate(running) if runs), default=0)
        meter.passed(most + later, read=reading, tokens=generated, spared=spared)
        reading = 0
        if not any(running):
            return
        if sum(running) < COMPACT_BELOW * len(running):
            kept = [index for index, runs in enumerate(running) if runs]
            selection = torch.tensor(kept, device=device)
            cache.batch_select_indices(selection)
            tokens, mask, positions = tokens[selection], mask[selection], positions[selection]
            rows, running = [rows[index] for index in kept], [True] * len(kept)
        inputs = tokens[:, None]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        positions = positions[:, -1:] + 1
