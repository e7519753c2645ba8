"""The loss of reference answers, which shows what an alignment changes besides refusals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lookahead_ray.data.chat import Rendered
from lookahead_ray.evaluate.teacher_forced import answer_nats

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def mean_answer_loss(model: "PreTrainedModel", rows: Sequence[Rendered], pad_id: int) -> float:
    """Return the cross-entropy in nats per answer token over all `rows`."""
    return sum(answer_nats(model, list(rows), pad_id)) / sum(len(row.answer_ids) for row in rows)
