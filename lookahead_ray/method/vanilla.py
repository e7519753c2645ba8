"""Plain cross-entropy (paper, equation 1)."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch.nn import functional

from lookahead_ray.config.base import Config
from lookahead_ray.data.chat import Rendered
from lookahead_ray.data.example import Example
from lookahead_ray.method.context import Context, Prepared, RowLoss


def answer_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return −Σ log p(target) in nats, summed over all answer tokens; see `token_nats`."""
    return token_nats(logits, targets).sum()


def token_nats(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return −log p(target) of each answer token in nats, fp32, (answer tokens,).

    Args:
        logits: (answer tokens, vocab), any float type; the log-softmax is taken in fp32.
        targets: (answer tokens,).
    """
    return (_fused() if logits.is_cuda else _nats)(logits, targets)


def _nats(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits.float(), targets, reduction="none")


@lru_cache(maxsize=1)
def _fused() -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Compile `_nats` to one kernel without fp32 logits; this halves a small model's step on an H100."""
    return torch.compile(_nats, dynamic=True)


def prepare(examples: Sequence[Example], config: Config, context: Context) -> Prepared:
    """Return the examples unchanged."""
    return Prepared(list(examples))


def row_loss(rows: Sequence[Rendered], config: Config, context: Context) -> RowLoss:
    """Return a function that computes `answer_loss` of the rows of a micro-batch."""

    def loss(model: torch.nn.Module, batch: Sequence[Rendered]) -> torch.Tensor:
        return answer_loss(*context.forward(model, batch))

    return loss
