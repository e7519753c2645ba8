"""Plain cross-entropy (paper, equation 1)."""

import torch
from torch.nn import functional

IGNORED = -100


def answer_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """−Σ log p(target) in nats, summed over all answer tokens.

    Args:
        logits: (batch, positions, vocab), any float type; the sum is taken in fp32.
        targets: (batch, positions), -100 where there is no answer token.
    """
    wanted = targets != IGNORED
    return functional.cross_entropy(logits[wanted].float(), targets[wanted], reduction="sum")
