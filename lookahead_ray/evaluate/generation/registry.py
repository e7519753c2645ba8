"""Generation backends by name; with `auto`, the first that supports a model generates with it.

A new backend takes one module with a subclass of `Backend`, and one line in `BACKENDS`.
"""

from typing import TYPE_CHECKING

from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.generation.base import Backend, DecodingSettings
from lookahead_ray.evaluate.generation.continuous_batching import ContinuousBatching
from lookahead_ray.evaluate.generation.static_batching import StaticBatching
from lookahead_ray.evaluate.generation.vllm_engine import Vllm

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BACKENDS: dict[str, type[Backend]] = {
    "continuous_batching": ContinuousBatching,
    "static_batching": StaticBatching,  # supports every model
    "vllm": Vllm,
}
"""Every backend, the preferred one first."""


def build_generator(model: "PreTrainedModel", settings: DecodingSettings, backend: str = "auto") -> Backend:
    """Return a generator for `model` with the backend of that name, or the first that supports it.

    Raises:
        ModelError: the backend does not support the model.
    """
    named = {name: each for name, each in BACKENDS.items() if name == backend}
    for each in (named or BACKENDS).values():
        if (named or not each.only_by_name) and each.supports(model):
            return each(model, settings)
    shown = (
        f"the generation backend {backend} does not support" if named else "no generation backend supports"
    )
    raise ModelError(f"{shown} {type(model).__name__} on {model.device}")


def release_backends() -> None:
    """Free what backends keep between passes over models, before a training."""
    for backend in BACKENDS.values():
        backend.release()
