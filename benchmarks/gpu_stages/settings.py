"""The request of a stage, and the sizes of its models and work. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StageSettings:
    """The settings of one stage, as JSON values.

    Attributes:
        model: a key of `MODELS`.
        options: what to measure; none: everything.
        peak_flops: FLOP/s of square products in bf16, measured before.
        bytes_per_second: read and written by a copy, measured before.
    """

    model: str
    device: str
    options: tuple[str, ...] = ()
    peak_flops: float | None = None
    bytes_per_second: float | None = None

    @property
    def tiny(self) -> bool:
        """Whether only the code is tested."""
        return self.model == "tiny"


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a Llama-like model."""

    hidden: int
    inner: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    tied: bool = False


@dataclass(frozen=True, slots=True)
class Sizes:
    """The work: `batch_size` rows in each of `steps` optimiser steps, and `prompts` that are answered."""

    batch_size: int
    steps: int
    micro_rows: int
    budgets: tuple[int, ...]  # tokens of a packed micro-batch, the most wanted first
    prompts: int
    generated_at_once: tuple[int, ...]
    longest_answer: int = 512


MODELS = {
    "7b": Shape(4096, 11008, 32, 32, 32, 32000),
    "7b_half": Shape(4096, 11008, 16, 32, 32, 32000),
    "1b": Shape(2048, 5632, 22, 32, 4, 32000),
    "135m": Shape(576, 1536, 30, 9, 3, 49152, tied=True),
    "tiny": Shape(64, 128, 2, 4, 2, 300),
}
"""Shapes of Llama-2-7B, of half its layers, of TinyLlama, of SmolLM2-135M, and one for tests."""

SIZES = {
    "7b": Sizes(32, 6, 8, (4096,), 256, (64, 128, 256)),
    "7b_half": Sizes(64, 8, 8, (8192, 4096), 256, (64, 128, 256)),
    "1b": Sizes(16, 2, 8, (4096,), 64, (64,)),
    "135m": Sizes(512, 8, 256, (65536, 32768), 512, (64, 256, 512)),
    "tiny": Sizes(8, 5, 4, (1024,), 6, (4,), longest_answer=6),
}

MAX_LENGTH = 512
LEARNING_RATE = 1e-5
WARM_UP_STEPS = 3
"""Steps that are not timed: compiled code is made, and memory is first allocated."""
