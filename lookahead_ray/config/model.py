"""The seed model from which fine-tuning starts."""

from pydantic import Field

from lookahead_ray.config.base import Config, Fidelity

EMBEDDED = "embedded"
EMBEDDED_UNALIGNED = "embedded-unaligned"


class ModelConfig(Config):
    """The seed model: the embedded default, a local directory, or a hub name."""

    path: str = Field(EMBEDDED, min_length=1)
    """`embedded` (SmolLM2-135M-Instruct with the shipped alignment adapter), `embedded-unaligned` (without
    the adapter), a directory with safetensors or GGUF weights, or a hub name such as `org/name`."""

    revision: str | None = None
    """Hub revision (branch, tag or commit), only for hub names; null uses the hub's default."""

    protocol: Fidelity = "fixed"
    """`paper` renders Llama-2 chats as the published code does, with two spaces after `[/INST]` in training
    and one at inference; `fixed` uses the tokenizer's own chat template."""
