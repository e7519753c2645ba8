"""Losses that keep early answer tokens close to the seed model: the objective itself, and Constrained SFT.

Paper, section 2.3, after Qi et al. 2024 (Unispac/shallow-vs-deep-alignment, fb1749e): with
Δ_t = log p_θ(y_t) − log p_0(y_t) and a coefficient β_t for each answer position t, counted from 1,

    token_kl         L = Σ_t −(2/β_t) log σ(β_t Δ_t)
    constrained_sft  L = Σ_t −w_t log p_θ(y_t),   w_t = max(1e-3, 2 (1 − σ(β_t Δ_t))) without a gradient

Where w_t > 1e-3 their gradients are the same, ∂L/∂log p_θ(y_t) = −2 (1 − σ(β_t Δ_t)): equal to that of
cross-entropy at the seed model, and smaller for tokens that have become likelier. Their values differ: at the
seed model the first is 2 log 2 / β_t for each token, the second is the cross-entropy.
"""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from lookahead_ray.config.method import TokenLevelBase
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.base import RowLossOf
from lookahead_ray.method.context import Context, RowLoss
from lookahead_ray.method.device import move
from lookahead_ray.method.seed_log_probs import reference_log_probs, token_log_probs

LEAST_WEIGHT = 1e-3

Objective = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(log p_θ, log p_0, β), each (answer tokens,), of the same float type -> the loss summed over tokens."""


def token_kl(log_p: torch.Tensor, log_p0: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Return Σ −(2/β) log σ(β (log p_θ − log p_0)), computed as a softplus so that it cannot overflow."""
    return (2 / beta * functional.softplus(-beta * (log_p - log_p0))).sum()


def constrained_sft(log_p: torch.Tensor, log_p0: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Return −Σ w log p_θ; no gradient flows through the weights w."""
    return -(constrained_weights(log_p, log_p0, beta) * log_p).sum()


def constrained_weights(log_p: torch.Tensor, log_p0: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Return w = max(1e-3, 2 (1 − σ(β (log p_θ − log p_0)))), (answer tokens,), detached.

    w is 1 at the seed model, tends to 2 for a token that has become less likely, to 1e-3 for a likelier one.
    """
    # 1 − σ(x) is computed as σ(−x), which avoids cancellation.
    return (2 * torch.sigmoid(-beta * (log_p - log_p0))).detach().clamp(min=LEAST_WEIGHT)


def betas(config: TokenLevelBase, length: int) -> list[float]:
    """Return β of the answer positions 1 to `length`."""
    bias = [config.first_beta, *[config.bias_beta] * (config.bias_length - 1)][: config.bias_length]
    return (bias + [config.beta] * (length - len(bias)))[:length]


def against_seed(objective: Objective) -> RowLossOf[TokenLevelBase]:
    """Return the rows' loss for an objective; log p_0 is computed right before training."""

    def row_loss_of(rows: Sequence[Rendered], config: TokenLevelBase, context: Context) -> RowLoss:
        reference = reference_log_probs(rows, context)

        def row_loss(model: torch.nn.Module, batch: Sequence[Rendered]) -> torch.Tensor:
            log_p = token_log_probs(*context.forward(model, batch))
            log_p0 = torch.tensor([value for row in batch for value in reference[row]], dtype=log_p.dtype)
            beta = torch.tensor(
                [b for row in batch for b in betas(config, len(row.answer_ids))], dtype=log_p.dtype
            )
            return objective(log_p, move(log_p0, log_p.device), move(beta, log_p.device))

        return row_loss

    return row_loss_of
