"""Two cheap defences, which can be combined with any method and any preview."""

from pydantic import Field

from lookahead_ray.config.base import Config


class SafetyMix(Config):
    """Harmful requests with refusals, mixed into the training examples."""

    share: float = Field(0.1, gt=0, lt=1)
    """Share of safety examples in the resulting training data, between 0 and 1."""

    path: str | None = Field(None, min_length=1)
    """File of rows with `prompt` and optionally `answer`, in the formats of the task `file`; another suffix
    means JSONL. Without `answer`, a refusal is drawn. null uses this project's alignment requests. Requests
    of the safety suite and the probe are left out."""

    seed: int = Field(0, ge=0)
    """Random seed for drawing requests and refusals."""


class DefenceConfig(Config):
    """A trial's defences, both off by default. Neither changes the loss; reference trials use neither."""

    mix: SafetyMix | None = None
    """Safety examples mixed into the training data, neither rewritten nor previewed; null mixes in none."""

    prompt: str | None = Field(None, min_length=1)
    """Safety prompt that is prepended to the system prompt at inference only, not in training. Early-token KL
    then compares both models with this prompt. null adds none."""
