"""The interface of a method: three hooks, all plain functions of the configuration.

The order in a trial (`trial.fine_tuning`): `prepare` before the preview, `row_loss` before the first step,
`finish` after the last one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from lookahead_ray.config.base import Config
from lookahead_ray.data.chat import Rendered
from lookahead_ray.data.example import Example
from lookahead_ray.method import vanilla
from lookahead_ray.method.context import Context, Prepared, RowLoss
from lookahead_ray.method.seed_weights import SeedWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MethodConfigT = TypeVar("MethodConfigT", bound=Config)
"""The method's own configuration model."""

Prepare = Callable[[Sequence[Example], MethodConfigT, Context], Prepared]
"""(examples, the method's configuration, context) -> examples to train on, before the preview."""

RowLossOf = Callable[[Sequence[Rendered], MethodConfigT, Context], RowLoss]
"""(all rows of the training, the method's configuration, context) -> the loss of any micro-batch of them."""

Finish = Callable[["PreTrainedModel", SeedWeights, MethodConfigT], None]
"""(the trained model, the seed model's weights, the method's configuration): changes the model's weights in
place, after the last step and before evaluation and export.

Without LoRA the model has the seed model's parameter names. With LoRA it is a `peft.PeftModel`: its base
weights are the seed model's, unchanged, and training has only changed the adapters, which are merged later.
So what moves weights towards the seed model scales `lora_B` there.
"""


@dataclass(frozen=True)
class Method(Generic[MethodConfigT]):
    """A method's treatment of examples, loss and trained weights; the default of all is vanilla fine-tuning.

    Every rank calls `prepare`, then `row_loss`, then `finish`; only the context's rank differs between their
    arguments. After `finish` every rank takes over rank 0's weights.
    """

    config_class: type[MethodConfigT]
    prepare: Prepare[MethodConfigT] = vanilla.prepare
    row_loss: RowLossOf[MethodConfigT] = vanilla.row_loss
    runs_seed_model: bool = False  # whether `row_loss` runs the seed model over all rows once
    finish: Finish[MethodConfigT] | None = None  # None: the trained weights are the result
