"""The amount of a model's computation, as three numbers; FLOPs are linear in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from lookahead_ray.data.chat import Rendered


@dataclass(frozen=True, slots=True)
class Work:
    """Sums over all passes and rows, padding included; `train.flops.Costs` holds the cost of each unit."""

    tokens: int = 0  # input tokens, processed by every layer
    pairs: int = 0  # query-key pairs, computed by attention
    logits: int = 0  # positions at which the head computes logits

    def __add__(self, other: "Work") -> "Work":
        return Work(self.tokens + other.tokens, self.pairs + other.pairs, self.logits + other.logits)


def teacher_forced(rows: Sequence[Rendered]) -> Work:
    """Return the work of one pass over a padded micro-batch (`train.batches.collate`); masked pairs count."""
    width = max(row.length for row in rows) - 1  # the last answer token is a target only
    answer_tokens = sum(len(row.answer_ids) for row in rows)
    return Work(len(rows) * width, len(rows) * width**2, answer_tokens)


def generated(prompt: int, new: int) -> Work:
    """Return the work of generating `new` tokens after `prompt` tokens: one prefill, then token by token with
    the KV cache."""
    return Work(prompt + new, prompt**2 + new * prompt + new * (new + 1) // 2, new + 1)
