"""The inputs that a method gets from a trial, and the results it returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.data.example import Example
from lookahead_ray.method.compute import Work
from lookahead_ray.method.disk_cache import Cache
from lookahead_ray.method.reporting import Report, Writing
from lookahead_ray.model.load import model_hash

RowLoss = Callable[[Any, Sequence[Rendered]], torch.Tensor]
"""(model or engine, rows of a micro-batch) -> loss summed over answer tokens, with its autograd graph."""

Forward = Callable[[Any, Sequence[Rendered]], tuple[torch.Tensor, torch.Tensor]]
"""(model or engine, rows) -> logits (answer tokens, vocab) and targets (answer tokens,), row by row."""

Generate = Callable[[Any, Sequence[Sequence[int]], int, Callable[[Writing], None]], list[list[int]]]
"""(model, prompts as token ids, maximum of new tokens, progress) -> greedy answers as token ids without the
end token. `progress` is called after each forward pass."""


@dataclass(frozen=True)
class Context:
    """One rank's view of a trial before training; every rank calls a method with the same examples or rows.

    `model` is still the seed model, on its device and in evaluation mode: as loaded for `prepare`, as it will
    be trained for `row_loss` (with fresh adapters, which do not change its output).
    """

    model: Any
    tokenizer: Any
    model_config: ModelConfig
    precision: str
    batch_size: int  # rows in one forward pass
    prompt_batch_size: int  # prompts in one generation batch
    rank: int
    world_size: int
    cache: Cache
    forward: Forward
    generate: Generate
    gather: Callable[[Any], list[Any]]  # all-gather: the values of all ranks, by rank
    report: Report  # for the progress line

    @cached_property
    def seed_hash(self) -> str:
        """Return a hash of the seed model's weights and their precision, which decide its outputs. Reads the
        weights."""
        return content_hash([model_hash(self.model_config), self.precision])


@dataclass(frozen=True)
class Prepared:
    """Training examples, counts of how they were treated (for the record), and the work it took."""

    examples: list[Example]
    counts: dict[str, int] = field(default_factory=dict)
    work: Work = field(
        default_factory=Work
    )  # of the seed model, summed over ranks; cached results count as if they were computed
