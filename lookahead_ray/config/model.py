"""Which seed model to start from."""

from pydantic import Field

from lookahead_ray.config.base import Config, Fidelity

EMBEDDED = "embedded"
EMBEDDED_UNALIGNED = "embedded-unaligned"


class ModelConfig(Config):
    """The seed model: the embedded default, a local directory, or a hub name."""

    path: str = Field(EMBEDDED, min_length=1)
    """`embedded` (SmolLM2-135M-Instruct with the shipped alignment adapter), `embedded-unaligned` (without
    it), a directory with safetensors or GGUF weights, or a hub name such as `org/name`."""

    revision: str | None = None
    """Hub revision (branch, tag or commit); only for hub names."""

    protocol: Fidelity = "fixed"
    """`paper` writes Llama-2's chats as the published code does, with two spaces behind `[/INST]` in training
    and one at inference; `fixed` follows the tokenizer's own chat template."""
