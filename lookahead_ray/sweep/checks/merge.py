"""A merge's other model against the seed model, without weights."""

from typing import Any

from lookahead_ray.config.merge import MergeConfig
from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError, HubModelError, ModelError
from lookahead_ray.model.files import is_local
from lookahead_ray.model.fingerprint import model_fingerprint
from lookahead_ray.model.load import check_model
from lookahead_ray.model.outline import ModelOutline, build_on_meta
from lookahead_ray.train.lora import linear_layers

FIELD = "merge.base_path"


def describe_other_model(config: MergeConfig) -> tuple[str, str] | None:
    """Return the fingerprint and a description of the other model that a merge reads; None if there is none.

    Raises:
        ModelError: as `check_model`.
    """
    other = _other_model(config)
    if other is None:
        return None
    try:
        return model_fingerprint(other), check_model(other)
    except ModelError as error:
        raise type(error)(_renamed(error)) from error


def check_other_model(config: TrialConfig, outline: ModelOutline) -> None:
    """Compare the linear layers of the other model that a merge reads with those of the seed model.

    Raises:
        ConfigError: it is the seed model, lacks a layer, or has one of another shape.
        HubModelError: a model of the hub can't be reached.
        ModelError: it can't be used.
    """
    other = _other_model(config.merge)
    if other is None:
        return
    if model_fingerprint(other) == model_fingerprint(config.model):
        raise ConfigError(f"{FIELD}: must be another model than model.path, got {other.path} for both")
    try:
        modules = dict(build_on_meta(other).named_modules())
    except ModelError as error:
        is_here = is_local(other.path) or other.path in (EMBEDDED, EMBEDDED_UNALIGNED)
        raise (ModelError if is_here else HubModelError)(_renamed(error)) from error
    head = outline.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    for name, layer in linear_layers(outline.model):
        if layer is head:
            continue
        wanted: Any = layer.weight
        found = getattr(modules.get(name), "weight", None)
        if found is None or found.shape != wanted.shape:
            shown = "no such layer" if found is None else f"the shape {list(found.shape)}"
            rule = f"{name} must have the shape {list(wanted.shape)} as in model.path"
            raise ConfigError(f"{FIELD}: {other.path}: {rule}, got {shown}")


def _other_model(config: MergeConfig) -> ModelConfig | None:
    if not config.changes_weights:
        return None
    from lookahead_ray.merge.registry import MERGES  # imports torch

    merge = MERGES[config.name]
    return merge.other_model(config) if merge.other_model else None


def _renamed(error: ModelError) -> str:
    return str(error).replace("model.path", FIELD)
