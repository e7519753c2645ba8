"""The LookAhead preview: the part of the answer that the training instruction shows (paper, section 3)."""

from typing import Annotated, Literal

from pydantic import Field

from lookahead_ray.config.base import Config, Fidelity

DEFAULT_CONNECTOR = " The answer begins with: "
DEFAULT_PREFIX = "Let's solve this problem. "


class NoPreview(Config):
    """No preview, for plain fine-tuning: the instruction is unchanged."""

    strategy: Literal["none"] = "none"


class TruePreview(Config):
    """Real preview: the first tokens of the true answer are appended to the instruction.

    The answer is unchanged.
    """

    strategy: Literal["true"]

    length_tokens: int = Field(6, ge=1)
    """Number of previewed answer tokens (m in the paper, 6 there)."""

    connector: str = DEFAULT_CONNECTOR
    """Text between the instruction and the preview."""

    protocol: Fidelity = "fixed"
    """`paper` cuts after exactly `length_tokens` tokens, even inside a number or a character; `fixed` extends
    the preview to the end of that number or character."""


class VirtualPreview(Config):
    """Virtual preview: a fixed phrase is appended to the instruction and prepended to the answer.

    No part of the answer is shown.
    """

    strategy: Literal["virtual"]

    prefix: str = Field(DEFAULT_PREFIX, min_length=1)
    """The phrase (P in the paper)."""

    connector: str = DEFAULT_CONNECTOR
    """Text between the instruction and the phrase."""


PreviewConfig = Annotated[NoPreview | TruePreview | VirtualPreview, Field(discriminator="strategy")]
