"""How much a model has to compute, in three numbers that FLOPs grow with in proportion."""

from collections.abc import Sequence
from dataclasses import dataclass

from lookahead_ray.data.chat import Rendered


@dataclass(frozen=True, slots=True)
class Work:
    """Sums over all passes and rows, padding included; `train.flops.Costs` says what each one costs."""

    tokens: int = 0  # inputs, which every layer computes
    pairs: int = 0  # of a query and a key, which attention computes
    logits: int = 0  # positions at which the head computes logits

    def __add__(self, other: "Work") -> "Work":
        return Work(self.tokens + other.tokens, self.pairs + other.pairs, self.logits + other.logits)


def teacher_forced(rows: Sequence[Rendered]) -> Work:
    """One pass over a micro-batch, in the shapes of `train.batches.collate`; masked pairs count too."""
    width = max(row.length for row in rows) - 1  # the last answer token is a target only
    answer_tokens = sum(len(row.answer_ids) for row in rows)
    return Work(len(rows) * width, len(rows) * width**2, answer_tokens)


def generated(prompt: int, new: int) -> Work:
    """Writing `new` tokens after `prompt` tokens: the prompt at once, then token by token over the cache."""
    return Work(prompt + new, prompt**2 + new * prompt + new * (new + 1) // 2, new + 1)
