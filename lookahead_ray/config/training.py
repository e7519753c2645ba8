"""Fine-tuning hyperparameters. Defaults are the paper's (section 4.1 and the published code, f9730df)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lookahead_ray.config.base import Auto, Config, Fidelity

Beta = Annotated[float, Field(ge=0, lt=1)]


TooLong = Literal["cut", "skip", "refuse"]


class LoraConfig(Config):
    """Low-rank adapters (peft), trained instead of all weights."""

    rank: int = Field(16, ge=1)
    """Rank of the adapter matrices."""

    alpha: float = Field(32.0, gt=0)
    """Scale of the adapter: its output is multiplied by alpha / rank."""

    target_modules: Annotated[tuple[str, ...], Field(strict=False)] | Literal["all-linear"] = "all-linear"
    """Names of the linear layers with an adapter, or `all-linear` for all but the output layer. A name of the
    embedding or the output layer is refused if the model shares their weights."""


class TrainingConfig(Config):
    """One fine-tuning run under DeepSpeed ZeRO."""

    learning_rate: float = Field(2e-5, gt=0, le=1)
    """Peak learning rate of AdamW; it decays linearly to 0."""

    epochs: int = Field(3, ge=1)
    """Number of passes over the training examples."""

    batch_size: int = Field(64, ge=1)
    """Global batch: examples per optimiser step, over all ranks and accumulation steps."""

    micro_batch_size: int = Field(8, ge=1)
    """Maximum number of examples per rank and forward pass; gradient accumulation completes `batch_size`."""

    micro_batch_tokens: int | None = Field(None, ge=16)
    """Maximum number of tokens per rank and forward pass, instead of `micro_batch_size` examples: at least
    `max_length`. It decides the memory of a forward pass more exactly. Not with `protocol: paper`, whose loss
    depends on the number of examples in a micro-batch. null: `micro_batch_size` applies."""

    max_length: int = Field(512, ge=16)
    """Maximum length of a rendered example in tokens, prompt and answer together; see `too_long`."""

    too_long: TooLong = "cut"
    """What is done with an example that exceeds `max_length`: `cut` cuts its answer at the end, and refuses
    examples whose prompt leaves no room for an answer; `skip` leaves it out; `refuse` refuses the sweep.
    `validate` and each trial count them."""

    protocol: Fidelity = "fixed"
    """`paper` averages the loss over the answer tokens of each device's micro-batch, then over devices.
    `fixed` averages over the answer tokens of the global batch, independent of the number of devices; which
    examples form a micro-batch then only changes rounding, and they are chosen so that all devices have about
    the same number of tokens. Under `paper` micro-batches are of examples of similar length."""

    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""

    betas: tuple[Beta, Beta] = Field((0.5, 0.999), strict=False)
    """AdamW's decay rates (β1, β2), as in the paper."""

    warmup_steps: int = Field(0, ge=0)
    """Number of optimiser steps of linear warm-up."""

    max_grad_norm: float = Field(1.0, gt=0)
    """Maximum gradient norm; larger gradients are scaled down to it."""

    zero_stage: Literal[0, 1, 2] = 2
    """DeepSpeed ZeRO stage. Up to 2, each rank holds all weights, which evaluation in place requires. A
    single rank that trains all weights in fp32 uses 0, as it has nothing to divide."""

    precision: Literal["bf16", "fp32"] | Auto = "auto"
    """Number format of weights and activations; the optimiser's copy is always fp32. `auto` measures both on
    the machines of the ranks and uses bf16 if its matrix products are faster."""

    lora: LoraConfig | None = None
    """Adapters to train; null trains all weights."""

    gradient_checkpointing: bool | Annotated[int, Field(ge=2)] = False
    """Recompute activations in the backward pass: less memory, about a third more time. A number N recomputes
    only those of every N-th layer, for about a third / N more time; true, those of every layer."""

    compile: bool | Auto = "auto"
    """Compile the model's layers for training by torch.compile, which merges the operations between matrix
    products. The first trial of a worker group waits for the compiler, a minute or more. Results differ by
    rounding. `auto` compiles on GPUs only, and not with `liger`. Layers that can't be compiled run as they
    are, and one line says why."""

    liger: bool = False
    """Train with the kernels of Liger, an optional package for GPUs, for norms, rotary positions and gated
    MLPs in place of compiled layers. Results differ by rounding."""

    @property
    def micro_batches(self) -> int:
        """Return the number of micro-batches of a global batch whose rows are as long as the limits."""
        if self.micro_batch_tokens is not None:
            return -(-self.batch_size // (self.micro_batch_tokens // self.max_length))
        return -(-self.batch_size // self.micro_batch_size)

    @model_validator(mode="after")
    def _layers_have_one_code(self) -> Self:
        if self.liger and self.compile is True:
            raise ValueError("compile must be auto or false with liger: true, got true")
        return self

    @model_validator(mode="after")
    def _budget_holds_a_row(self) -> Self:
        if self.micro_batch_tokens is None:
            return self
        if self.micro_batch_tokens < self.max_length:
            raise ValueError(
                f"micro_batch_tokens must be at least max_length ({self.max_length}), "
                f"got {self.micro_batch_tokens}"
            )
        if self.protocol == "paper":
            raise ValueError(
                "micro_batch_tokens must be null with protocol: paper, whose loss depends on the number of "
                f"examples in a micro-batch, got {self.micro_batch_tokens}"
            )
        return self
