"""The interface of a method: a data part and a loss part, both plain functions of the configuration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lookahead_ray.data.chat import Rendered
from lookahead_ray.data.example import Example
from lookahead_ray.method import vanilla
from lookahead_ray.method.context import Context, Prepared, RowLoss

Prepare = Callable[[Sequence[Example], Any, Context], Prepared]
"""(examples, the method's configuration, context) -> examples to train on, before the preview."""

RowLossOf = Callable[[Sequence[Rendered], Any, Context], RowLoss]
"""(all rows of the training, the method's configuration, context) -> the loss of any micro-batch of them."""


@dataclass(frozen=True)
class Method:
    """A method's treatment of examples and loss; the default of both is vanilla fine-tuning.

    Every rank calls `prepare`, then `row_loss`; only the context's rank differs between their arguments.
    """

    prepare: Prepare = vanilla.prepare
    row_loss: RowLossOf = vanilla.row_loss
    asks_seed: bool = False  # whether `row_loss` runs the seed model over all rows once
