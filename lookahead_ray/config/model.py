"""The seed model from which fine-tuning starts."""

from datetime import date
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from lookahead_ray.config.base import Config, Fidelity

EMBEDDED = "embedded"
EMBEDDED_UNALIGNED = "embedded-unaligned"

TEMPLATE_ARGUMENTS = ("messages", "tools", "documents", "add_generation_prompt", "strftime_now")
"""Variables of a chat template that the rendering sets itself."""


def _iso_date(value: object) -> object:
    """Return a date, which YAML reads from an unquoted text, as text."""
    return value.isoformat() if type(value) is date else value


class ModelConfig(Config):
    """The seed model: the embedded default, a local directory, or a hub name."""

    path: str = Field(EMBEDDED, min_length=1)
    """`embedded` (SmolLM2-135M-Instruct with the shipped alignment adapter), `embedded-unaligned` (without
    the adapter), a directory with safetensors weights, a GGUF file or a directory with one, a directory with
    a LoRA adapter whose base model can be loaded, or a hub name such as `org/name`."""

    revision: str | None = None
    """Hub revision (branch, tag or commit), only for hub names; null uses the hub's default."""

    protocol: Fidelity = "fixed"
    """`paper` renders Llama-2 chats as the published code does, with two spaces after `[/INST]` in training
    and one at inference; `fixed` uses the tokenizer's own chat template."""

    chat_template: str | None = Field(None, min_length=1, exclude_if=lambda value: value is None)
    """File with a chat template (Jinja) that is used in place of the tokenizer's own; null uses that. It is
    saved with a trained model."""

    chat_template_kwargs: dict[str, JsonValue] = Field({}, exclude_if=lambda value: not value)
    """Variables for the chat template, such as `{enable_thinking: false}`, in training and in evaluation; the
    template that is saved with a trained model has them as defaults."""

    chat_date: Annotated[str | None, BeforeValidator(_iso_date)] = Field(
        None, exclude_if=lambda value: value is None
    )
    """Date, such as `2026-11-29`, for chat templates that write today's; null is the day on which the run
    began, for all of its trials."""

    @model_validator(mode="after")
    def _template_can_be_used(self) -> Self:
        if self.chat_template and self.protocol == "paper":
            raise ValueError("chat_template must be null with protocol: paper, which has its own")
        taken = [name for name in self.chat_template_kwargs if name in TEMPLATE_ARGUMENTS]
        if taken:
            raise ValueError(f"chat_template_kwargs must not set what rendering sets, got {taken[0]}")
        if self.chat_date is not None:
            try:
                date.fromisoformat(self.chat_date)
            except ValueError as error:
                raise ValueError(
                    f"chat_date must be a date such as 2026-11-29, got {self.chat_date}"
                ) from error
        return self
