"""What a method is given of a trial, and what it gives back."""

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
"""(model or engine, rows of a micro-batch) -> loss summed over their answer tokens, with its graph."""

Forward = Callable[[Any, Sequence[Rendered]], tuple[torch.Tensor, torch.Tensor]]
"""(model or engine, rows) -> logits (answer tokens, vocab) and targets (answer tokens,), row by row."""

Generate = Callable[[Any, Sequence[Sequence[int]], int, Callable[[Writing], None]], list[list[int]]]
"""(model, prompts as token ids, most new tokens, progress) -> greedy answers as token ids without the end
token. `progress` is called after each forward pass."""


@dataclass(frozen=True)
class Context:
    """One rank's view of a trial before training; every rank calls a method with the same examples or rows.

    `model` is still the seed model, on its device and in evaluation mode, for `prepare` as it was loaded, for
    `row_loss` as it will be trained (with fresh adapters, which change nothing).
    """

    model: Any
    tokenizer: Any
    model_config: ModelConfig
    precision: str
    batch_size: int  # rows in one forward pass
    prompt_batch_size: int  # prompts generated for at once
    rank: int
    world_size: int
    cache: Cache
    forward: Forward
    generate: Generate
    gather: Callable[[Any], list[Any]]  # every rank's value on every rank, by rank
    report: Report  # what is being done, for the progress line

    @cached_property
    def seed_hash(self) -> str:
        """What identifies the seed model's numbers: its weights and their precision. Reads the weights."""
        return content_hash([model_hash(self.model_config), self.precision])


@dataclass(frozen=True)
class Prepared:
    """Training examples, how many were treated in which way (for the record), and what it took."""

    examples: list[Example]
    counts: dict[str, int] = field(default_factory=dict)
    work: Work = field(
        default_factory=Work
    )  # of the seed model, on all ranks together; the same if it was found in the cache
