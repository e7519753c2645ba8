"""Moving back only the layers that changed in other directions than the alignment: SafeMERGE's criterion.

Djuhera et al., arXiv 2503.17239. A layer's change D by training is compared with its projection C D, where
C = V Vᵀ / ‖V‖ approximates the projection on the columns of V, the layer's change by alignment (Hsu et al.,
"Safe LoRA", arXiv 2405.16833). V is the aligned model minus the model that it was made from.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from lookahead_ray.config.merge import LayersMerge
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.merge.base import Counts
from lookahead_ray.merge.weights import adapted_layers, move_back, scale_adapter
from lookahead_ray.method.seed_weights import LazySeedWeights, SeedWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LayerChange(NamedTuple):
    """A linear layer's change by training. Matrices are on the layer's device."""

    name: str  # of its weight, in the model without LoRA
    seed: torch.Tensor  # as stored: (outputs, inputs), or transposed
    change: torch.Tensor  # (outputs, inputs), in fp32
    is_transposed: bool  # whether stored weights are (inputs, outputs)
    move: Callable[[float], None]  # keeps this share of the change


def base_model(config: LayersMerge) -> ModelConfig:
    """Return the model from which the seed model was aligned."""
    return ModelConfig(path=config.base_path, revision=config.base_revision)


@torch.no_grad()
def move_drifted(model: "PreTrainedModel", seed_weights: SeedWeights, config: LayersMerge) -> Counts:
    """Keep `config.kept` of the change of each layer whose similarity is below `config.threshold`.

    Returns:
        merge_layers and merge_moved_layers: the linear layers that training changed, and those moved back.

    Raises:
        ModelError: the base model can't be loaded, lacks a layer, or has the seed model's weights.
    """
    base_weights = LazySeedWeights(base_model(config), model.dtype)
    changed = moved = 0
    is_aligned = False
    for layer in layer_changes(model, seed_weights):
        if not layer.change.any():
            continue
        alignment = _alignment(layer, base_weights, config)
        is_aligned = is_aligned or bool(alignment.any())
        changed += 1
        if similarity(layer.change, alignment) < config.threshold:
            layer.move(config.kept)
            moved += 1
    if changed and not is_aligned:
        raise ModelError(
            f"merge.base_path: must be the model from which model.path was aligned, got {config.base_path}, "
            "whose linear layers are the same"
        )
    return {"merge_layers": changed, "merge_moved_layers": moved}


def layer_changes(model: "PreTrainedModel", seed_weights: SeedWeights) -> Iterator[LayerChange]:
    """Yield the linear layers of a trained model, with LoRA the adapted ones, without the output layer."""
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    adapted = adapted_layers(model)
    for name, layer in adapted.items():
        if layer is not head and layer.lora_B:
            base = layer.get_base_layer()
            move = partial(scale_adapter, layer)
            yield LayerChange(
                f"{name}.weight", base.weight, _adapter_change(layer), isinstance(base, Conv1D), move
            )
    for name, module in model.named_modules() if not adapted else ():
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head:
            weight: torch.Tensor = module.weight
            seed = seed_weights(f"{name}.weight").to(weight.device)
            change, is_transposed = weight.float() - seed.float(), isinstance(module, Conv1D)
            yield LayerChange(
                f"{name}.weight",
                seed,
                change.T if is_transposed else change,
                is_transposed,
                partial(move_back, weight, seed),
            )


def similarity(change: torch.Tensor, alignment: torch.Tensor) -> float:
    """Return the cosine similarity, from 0 to 1, of a change and its projection by the alignment.

    It is 0 if one of both is 0 or if they are orthogonal.

    Args:
        change, alignment: of the shape (outputs, inputs), in fp32.
    """
    size = float(alignment.norm())
    if size == 0:
        return 0.0
    direction = alignment / size
    projected = direction @ (direction.T @ change)
    norms = float(projected.norm() * change.norm())
    return float((projected * change).sum()) / norms if norms > 0 else 0.0


def _adapter_change(layer: Any) -> torch.Tensor:
    """Return the change (outputs, inputs) that a peft layer's only adapter makes, in fp32."""
    (name,) = layer.lora_B
    product: torch.Tensor = layer.lora_B[name].weight.float() @ layer.lora_A[name].weight.float()
    return product * float(layer.scaling[name])


def _alignment(layer: LayerChange, base_weights: SeedWeights, config: LayersMerge) -> torch.Tensor:
    """Return the layer's change by alignment (outputs, inputs), in fp32."""
    rule = f"merge.base_path: must be a model with the layers of model.path, got {config.base_path}"
    try:
        base = base_weights(layer.name)
    except KeyError as error:
        raise ModelError(f"{rule}, which lacks {layer.name}") from error
    if base.shape != layer.seed.shape:
        raise ModelError(f"{rule}, whose {layer.name} has the shape {list(base.shape)}")
    alignment = layer.seed.float() - base.to(layer.seed.device, torch.float32)
    return alignment.T if layer.is_transposed else alignment
