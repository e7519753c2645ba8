"""Loss of the alignment: it teaches refusals and keeps all other behaviour of the unaligned model."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.context import RowLoss
from lookahead_ray.train.batches import collate
from lookahead_ray.train.model import AnswerLoss, answer_logits, supervised

OPENING = 3
"""Number of first answer tokens, which decide whether the model refuses."""


class DistilledRow(Rendered):
    """A row whose next-token distributions should stay those of the model without its adapters."""


def weighted_kl(
    logits: torch.Tensor, reference: torch.Tensor, lengths: Sequence[int], opening_weight: float
) -> torch.Tensor:
    """Return Σ w KL(reference || model) in nats over answer tokens, w = `opening_weight` at the first ones.

    Args:
        logits, reference: (answer tokens, vocab), any float type; computed in fp32.
        lengths: (rows,) number of answer tokens of each row, in the rows' order.
    """
    weights = torch.cat([torch.arange(length) for length in lengths]).to(logits.device)
    weights = torch.where(weights < OPENING, opening_weight, 1.0)
    model_log, reference_log = (part.float().log_softmax(-1) for part in (logits, reference))
    each = functional.kl_div(model_log, reference_log, reduction="none", log_target=True).sum(-1)
    return (weights * each).sum()


def align_loss(answer_loss: AnswerLoss, pad_id: int, opening_weight: float) -> RowLoss:
    """Return a loss: `answer_loss` on ordinary rows, and on `DistilledRow` rows `weighted_kl` from the model
    with its adapters off."""
    taught_loss = supervised(answer_loss, pad_id)

    def row_loss(engine: Any, rows: Sequence[Rendered]) -> torch.Tensor:
        kept = [row for row in rows if isinstance(row, DistilledRow)]
        taught = [row for row in rows if not isinstance(row, DistilledRow)]
        loss = torch.zeros((), device=engine.device)
        if taught:
            loss = loss + taught_loss(engine, taught)
        if kept:
            micro = collate(kept, pad_id, engine.module)
            with torch.no_grad(), engine.module.disable_adapter():
                reference = answer_logits(engine.module, micro)
            lengths = [len(row.answer_ids) for row in kept]
            loss = loss + weighted_kl(answer_logits(engine, micro), reference, lengths, opening_weight)
        return loss

    return row_loss
