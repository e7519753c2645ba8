"""The optional kernels of a training against the model, without running it."""

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.model.outline import ModelOutline


def check_kernels(config: TrialConfig, outline: ModelOutline) -> None:
    """Check that `training.liger` suits the model.

    Raises:
        ConfigError: Liger is not installed here, or has no kernels for the model.
    """
    if not config.training.liger:
        return
    from lookahead_ray.train.liger import find_liger_obstacle  # imports torch

    if reason := find_liger_obstacle(outline.model.config.model_type):
        raise ConfigError(f"training.liger: {reason}, got true")
