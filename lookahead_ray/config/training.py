"""How the fine-tuning runs. Defaults are the paper's (section 4.1 and the published code, f9730df)."""

from typing import Annotated, Literal

from pydantic import Field

from lookahead_ray.config.base import Auto, Config, Fidelity

Beta = Annotated[float, Field(ge=0, lt=1)]


class LoraConfig(Config):
    """Low-rank adapters instead of full weights (peft)."""

    rank: int = Field(16, ge=1)
    """Rank of the adapter matrices."""

    alpha: float = Field(32.0, gt=0)
    """Scale of the adapter: its output is multiplied by alpha / rank."""

    target_modules: Annotated[tuple[str, ...], Field(strict=False)] | Literal["all-linear"] = "all-linear"
    """Names of the linear layers that get an adapter, or `all-linear`."""


class TrainingConfig(Config):
    """One fine-tuning run under DeepSpeed ZeRO."""

    learning_rate: float = Field(2e-5, gt=0, le=1)
    """Peak learning rate of AdamW; decays linearly to 0."""

    epochs: int = Field(3, ge=1)
    """Passes over the training examples."""

    batch_size: int = Field(64, ge=1)
    """Examples in one optimiser step, over all workers and accumulation steps together."""

    micro_batch_size: int = Field(8, ge=1)
    """Most examples one worker holds in one forward pass; accumulation makes up the rest of `batch_size`."""

    max_length: int = Field(512, ge=16)
    """Longest rendered example in tokens; longer answers are cut at the end."""

    protocol: Fidelity = "fixed"
    """`paper` takes the mean loss over the answer tokens of each device's micro-batch, and of these the mean
    over devices; `fixed` that over the answer tokens of the global batch, however many devices share it."""

    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""

    betas: tuple[Beta, Beta] = Field((0.5, 0.999), strict=False)
    """AdamW's decay rates; the paper's."""

    warmup_steps: int = Field(0, ge=0)
    """Optimiser steps of linear warm-up."""

    max_grad_norm: float = Field(1.0, gt=0)
    """Gradient norm above which gradients are scaled down."""

    zero_stage: Literal[0, 1, 2] = 2
    """DeepSpeed ZeRO stage; up to 2 weights stay whole on each rank, which evaluation in place needs."""

    precision: Literal["bf16", "fp32"] | Auto = "auto"
    """Number format of weights and activations; the optimiser's copy is always fp32. `auto` measures both
    where the ranks run, and takes bf16 where its matrix products are faster."""

    lora: LoraConfig | None = None
    """Train adapters of this shape; null trains all weights."""

    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
