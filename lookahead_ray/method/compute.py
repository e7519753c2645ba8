"""The amount of a model's computation, as three numbers; FLOPs are linear in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from lookahead_ray.data.chat import Rendered


@dataclass(frozen=True, slots=True)
class Work:
    """Sums over all passes and rows, without padding; `train.flops.Costs` holds the cost of each unit."""

    tokens: int = 0  # input tokens, processed by every layer
    pairs: int = 0  # query-key pairs, computed by attention
    logits: int = 0  # positions at which the head computes logits

    def __add__(self, other: "Work") -> "Work":
        return Work(self.tokens + other.tokens, self.pairs + other.pairs, self.logits + other.logits)


def teacher_forced(rows: Sequence[Rendered]) -> Work:
    """Return the work of one pass over each of `rows`; pairs that causality masks count, padding does not."""
    inputs = [row.length - 1 for row in rows]  # the last answer token is a target only
    answer_tokens = sum(len(row.answer_ids) for row in rows)
    return Work(sum(inputs), sum(tokens**2 for tokens in inputs), answer_tokens)


def generated(prompt: int, new: int) -> Work:
    """Return the work of generating `new` tokens after `prompt` tokens: one prefill, then token by token with
    the KV cache."""
    return Work(prompt + new, prompt**2 + new * prompt + new * (new + 1) // 2, new + 1)
