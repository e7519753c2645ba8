"""The record of one optimiser step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step over the global batch."""

    step: int  # from 1
    epoch: float  # passes over the data after this step
    loss: float  # nats per answer token, mean over the global batch
    learning_rate: float
    grad_norm: float | None  # before clipping; None if it was not measured
    tokens: int  # tokens in the global batch, with prompts, without padding
    answer_tokens: int
    seconds: float
