"""The loss of reference answers, teacher-forced: nothing is generated."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.reference import token_log_probs
from lookahead_ray.train.model import forward

LOSS_BATCH = 10  # rows in one pass: their logits are (rows, answer tokens, vocabulary) in fp32


@torch.inference_mode()
def answer_nats(
    model: Any,
    rows: Sequence[Rendered],
    pad_id: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[float]:
    """Return −Σ log p over each row's answer tokens, in nats, in the order of `rows`.

    Rows of similar length share a pass; after each, `progress` is called with the number of rows done.
    """
    logits_and_targets = forward(pad_id)
    order = sorted(range(len(rows)), key=lambda index: rows[index].length)
    found = [0.0] * len(rows)
    for start in range(0, len(order), LOSS_BATCH):
        chosen = order[start : start + LOSS_BATCH]
        batch = [rows[index] for index in chosen]
        log_probs = token_log_probs(*logits_and_targets(model, batch)).cpu()
        parts = torch.split(log_probs, [len(row.answer_ids) for row in batch])
        for index, part in zip(chosen, parts, strict=True):
            found[index] = -part.sum().item()
        progress(start + len(batch))
    return found
