"""What is measured after training."""

from pydantic import Field

from lookahead_ray.config.base import Config


class EvaluationConfig(Config):
    """Generation is greedy; lengths are counts of new tokens."""

    prefill_tokens: int = Field(3, ge=1)
    """JSR: the answer is started with this many tokens of a harmful opening (k in the paper, 3 there)."""

    kl_tokens: int = Field(8, ge=1)
    """KL to the seed model is measured at this many first answer positions of harmful prompts."""

    kl_prompts: int | None = Field(None, ge=1)
    """How many harmful prompts KL is measured on, spread evenly over the areas; null uses all."""

    safety_new_tokens: int = Field(512, ge=1)
    """Longest answer to a safety prompt."""

    task_new_tokens: int = Field(1024, ge=1)
    """Longest answer to a task prompt."""

    batch_size: int = Field(64, ge=1)
    """Prompts that one worker generates for at once."""
