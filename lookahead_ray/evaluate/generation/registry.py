"""Generation backends by name; the first that supports a model generates with it.

A new backend takes one module with a subclass of `Backend`, and one line in `BACKENDS`.
"""

from typing import TYPE_CHECKING

from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.generation.base import Backend, DecodingSettings
from lookahead_ray.evaluate.generation.continuous_batching import ContinuousBatching
from lookahead_ray.evaluate.generation.static_batching import StaticBatching

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BACKENDS: dict[str, type[Backend]] = {
    "continuous_batching": ContinuousBatching,
    "static_batching": StaticBatching,  # supports every model
}
"""Every backend, the preferred one first."""


def build_generator(model: "PreTrainedModel", settings: DecodingSettings) -> Backend:
    """Return a generator for `model` with the first backend that supports it.

    Raises:
        ModelError: no backend supports the model.
    """
    for backend in BACKENDS.values():
        if backend.supports(model):
            return backend(model, settings)
    raise ModelError(f"no generation backend supports {type(model).__name__} on {model.device}")
