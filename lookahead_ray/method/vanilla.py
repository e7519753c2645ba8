"""Plain cross-entropy (paper, equation 1)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from lookahead_ray.data.chat import Rendered
from lookahead_ray.data.example import Example
from lookahead_ray.method.context import Context, Prepared, RowLoss

IGNORED = -100


def answer_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """−Σ log p(target) in nats, summed over all answer tokens.

    Args:
        logits: (batch, positions, vocab), any float type; the sum is taken in fp32.
        targets: (batch, positions), -100 where there is no answer token.
    """
    wanted = targets != IGNORED
    return functional.cross_entropy(logits[wanted].float(), targets[wanted], reduction="sum")


def prepare(examples: Sequence[Example], config: Any, context: Context) -> Prepared:
    """The examples as they are."""
    return Prepared(list(examples))


def row_loss(rows: Sequence[Rendered], config: Any, context: Context) -> RowLoss:
    """`answer_loss` of the rows of a micro-batch."""

    def loss(model: Any, batch: Sequence[Rendered]) -> torch.Tensor:
        return answer_loss(*context.forward(model, batch))

    return loss
