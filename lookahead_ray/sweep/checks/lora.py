"""Adapters and gradient checkpointing on the model's real modules."""

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.model.outline import ModelOutline, build_on_meta
from lookahead_ray.train.lora import add_adapters


def check_training_modules(config: TrialConfig, outline: ModelOutline) -> None:
    """Put the adapters into the model without weights, as training does.

    Raises:
        ConfigError: names that the model does not have or can't adapt, or no support for checkpointing.
    """
    training, model = config.training, outline.model
    if training.gradient_checkpointing and not model.supports_gradient_checkpointing:
        kind = model.config.model_type
        raise ConfigError(
            f"training.gradient_checkpointing: must be false for the architecture {kind}, which lacks it, "
            f"got {str(training.gradient_checkpointing).lower()}"
        )
    if training.lora:
        add_adapters(build_on_meta(config.model), training.lora)
