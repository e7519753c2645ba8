"""The generation backend against the model, without running it."""

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.generation.vllm_engine import find_vllm_obstacle
from lookahead_ray.model.outline import ModelOutline


def check_backend(config: TrialConfig, outline: ModelOutline) -> None:
    """Check that `evaluation.backend` can generate with the model.

    Raises:
        ConfigError: vLLM is not installed here, or does not know the model's architecture.
    """
    if config.evaluation.backend == "vllm":
        reason = find_vllm_obstacle([type(outline.model).__name__])
        if reason:
            raise ConfigError(f"evaluation.backend: {reason}, got 'vllm'")
