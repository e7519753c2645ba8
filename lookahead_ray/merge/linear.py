"""Linear interpolation between the seed model and the trained model (Farn et al., arXiv 2412.19512)."""

from typing import TYPE_CHECKING

import torch

from lookahead_ray.config.merge import LinearMerge
from lookahead_ray.merge.base import Counts
from lookahead_ray.merge.weights import adapted_layers, move_back, scale_adapter
from lookahead_ray.method.seed_weights import SeedWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def move_all(model: "PreTrainedModel", seed_weights: SeedWeights, config: LinearMerge) -> Counts:
    """Keep `config.kept` of the change of every weight; with LoRA nothing is loaded."""
    if layers := adapted_layers(model):
        for layer in layers.values():
            scale_adapter(layer, config.kept)
    else:
        for name, weight in model.named_parameters():
            move_back(weight, seed_weights(name), config.kept)
    return {}
