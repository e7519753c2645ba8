"""The LookAhead preview: what of the answer the training instruction shows (paper, section 3)."""

from typing import Annotated, Literal

from pydantic import Field

from lookahead_ray.config.base import Config, Fidelity

DEFAULT_CONNECTOR = " The answer begins with: "
DEFAULT_PREFIX = "Let's solve this problem. "


class NoPreview(Config):
    """Plain fine-tuning: the instruction as it is."""

    strategy: Literal["none"] = "none"


class TruePreview(Config):
    """The instruction ends in the first tokens of the true answer; the answer stays as it is."""

    strategy: Literal["true"]

    length_tokens: int = Field(6, ge=1)
    """Number of previewed answer tokens (m in the paper, 6 there)."""

    connector: str = DEFAULT_CONNECTOR
    """Text between the instruction and the preview."""

    protocol: Fidelity = "fixed"
    """`paper` cuts after exactly that many tokens, inside a number or a character too; `fixed` goes on to its
    end."""


class VirtualPreview(Config):
    """The instruction ends in a fixed phrase, the answer begins with it; nothing of the answer is shown."""

    strategy: Literal["virtual"]

    prefix: str = Field(DEFAULT_PREFIX, min_length=1)
    """The phrase (P in the paper)."""

    connector: str = DEFAULT_CONNECTOR
    """Text between the instruction and the phrase."""


PreviewConfig = Annotated[NoPreview | TruePreview | VirtualPreview, Field(discriminator="strategy")]
