"""The method's last hook in a trial: it changes the trained weights before they are evaluated and written."""

from typing import TYPE_CHECKING

import torch.distributed as dist

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.method.registry import METHODS
from lookahead_ray.method.seed_weights import LazySeedWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def finish_model(model: "PreTrainedModel", config: TrialConfig) -> bool:
    """Apply the `finish` of the trial's method to the trained model; return whether the method has one.

    All ranks must call this together, once per trial. Afterwards all have rank 0's weights, so that results
    do not depend on which rank evaluates a prompt, even if the hook's arithmetic differs between devices.
    """
    finish = METHODS[config.method.name].finish
    if finish is None:
        return False
    seed_weights = LazySeedWeights(config.model, torch_dtype(config.training.precision))
    finish(model, seed_weights, config.method)
    take_over_weights(model)
    return True


def take_over_weights(model: "PreTrainedModel") -> None:
    """Give all ranks rank 0's weights; all must call this together."""
    for weight in model.parameters():
        weight.data = weight.data.contiguous()
        dist.broadcast(weight.data, src=0)
