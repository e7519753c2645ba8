"""The inputs that a method gets from a trial, and the results it returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.data.example import Example
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.method.compute import Work
from lookahead_ray.method.generator import Generator
from lookahead_ray.method.reporting import Report
from lookahead_ray.model.load import model_hash

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RowLoss = Callable[[torch.nn.Module, Sequence[Rendered]], torch.Tensor]
"""(model or engine, rows of a micro-batch) -> loss summed over answer tokens, with its autograd graph."""

Forward = Callable[[torch.nn.Module, Sequence[Rendered]], tuple[torch.Tensor, torch.Tensor]]
"""(model or engine, rows) -> logits (answer tokens, vocab) and targets (answer tokens,), row by row."""

Value = TypeVar("Value")


class Gather(Protocol):
    """All-gather of picklable values; all ranks must call it together."""

    def __call__(self, value: Value) -> list[Value]:
        """Return the values of all ranks, by rank."""
        ...


@dataclass(frozen=True)
class Context:
    """One rank's view of a trial before training; every rank calls a method with the same examples or rows.

    `model` is still the seed model, on its device and in evaluation mode: as loaded for `prepare`, as it will
    be trained for `row_loss` (with fresh adapters, which do not change its output).
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    model_config: ModelConfig
    precision: str
    batch_size: int  # rows in one forward pass
    prompt_batch_size: int  # prompts in one generation batch
    rank: int
    world_size: int
    cache: DiskCache
    forward: Forward
    generator: Generator  # of the seed model
    gather: Gather
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
