"""The interface of a merge: a function that moves trained weights in place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from lookahead_ray.config.merge import MergeBase
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.method.seed_weights import SeedWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MergeConfigT = TypeVar("MergeConfigT", bound=MergeBase)
"""The merge's own configuration model."""

Counts = Mapping[str, int]
"""Counts to store with the trial, in the column `preparation`."""

MoveWeights = Callable[["PreTrainedModel", SeedWeights, MergeConfigT], Counts]
"""(the trained model, the seed model's weights, the merge's configuration with one share, `kept`): changes
the model's weights in place and returns its counts.

The model is as after a method's `finish` (`method.base.Finish`): without LoRA it has the seed model's
parameter names, with LoRA it is a `peft.PeftModel` whose base weights are the seed model's, so that nothing
needs to be loaded to scale the adapters (`merge.weights`).
"""


@dataclass(frozen=True)
class Merge(Generic[MergeConfigT]):
    """A merge. Rank 0 alone calls `move`; all other ranks then take over its weights.

    It is called only if the configuration's `changes_weights` is true, and may be called for several shares
    after one training, each time with the trained weights.
    """

    config_class: type[MergeConfigT]
    move: MoveWeights[MergeConfigT]
    other_model: Callable[[MergeConfigT], ModelConfig] | None = None
    """The model, besides the seed model, whose weights `move` reads; it must have the seed model's layers."""
