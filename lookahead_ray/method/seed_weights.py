"""The seed model's weights during `finish`, when training has changed those of the model in memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.model.load import load_model

if TYPE_CHECKING:
    import torch

SeedWeights = Callable[[str], "torch.Tensor"]
"""Name of a parameter, as in `model.named_parameters()` without LoRA -> its weights in the seed model, on the
CPU and in the trial's precision. Raises KeyError for an unknown name."""


class LazySeedWeights:
    """Weights of the seed model, loaded at the first use: methods that never read them hold no second copy.

    The whole model is loaded, not single tensors of its files, because loading may rename, merge or
    dequantise them. It is released together with this object, or by `release`.
    """

    def __init__(self, config: ModelConfig, dtype: "torch.dtype") -> None:
        self._config = config
        self._dtype = dtype
        self._weights: dict[str, torch.Tensor] | None = None

    def __call__(self, name: str) -> "torch.Tensor":
        """Return the weights of the parameter `name`.

        Raises:
            KeyError: the seed model has no such parameter.
            ModelError: the seed model can't be loaded.
        """
        if self._weights is None:
            model = load_model(self._config, self._dtype)
            self._weights = {name: weight.detach() for name, weight in model.named_parameters()}
        return self._weights[name]

    def release(self) -> None:
        """Release the weights; the next use loads them again."""
        self._weights = None
