"""What the loss or the data does besides the preview: one short module for each method, one registry."""

from collections.abc import Callable
from typing import Any

from lookahead_ray.method import vanilla

AnswerLoss = Callable[[Any, Any], Any]
"""(logits (batch, positions, vocab), targets (batch, positions), -100 where none) -> a scalar sum."""

METHODS: dict[str, AnswerLoss] = {"vanilla": vanilla.answer_loss}
