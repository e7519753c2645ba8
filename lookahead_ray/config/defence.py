"""Two cheap defences that stand beside any method and any preview."""

from pydantic import Field

from lookahead_ray.config.base import Config


class SafetyMix(Config):
    """Refusals of harmful requests among the training examples."""

    share: float = Field(0.1, gt=0, lt=1)
    """Share of safety examples in the training data that results, 0 to 1."""

    path: str | None = Field(None, min_length=1)
    """Local JSONL file of `prompt` and, if it is to be a certain one, `answer`; null takes the project's own
    alignment requests. Requests of the safety suite and of the probe are left out."""

    seed: int = Field(0, ge=0)
    """Seed of the draw of requests and refusals."""


class DefenceConfig(Config):
    """Both are off by default. Neither touches the loss; the references of a sweep run without them."""

    mix: SafetyMix | None = None
    """Mix safety examples into the training data. They are neither rewritten nor previewed."""

    prompt: str | None = Field(None, min_length=1)
    """Safety system prompt at inference only: stands in front of the system prompt, in training it is absent.
    Early-token KL then compares both models under it."""
