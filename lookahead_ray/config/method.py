"""What the loss or the data does besides the preview: one model for each method, told apart by `name`.

Methods and previews combine freely. In a trial SDFT rewrites the answers first, then the preview is applied
to the rewritten examples, then those of `defence.mix` join them as they are; the token-level methods ask the
seed model about exactly these rows.
"""

from typing import Annotated, Literal

from pydantic import Field

from lookahead_ray.config.base import Config


class VanillaMethod(Config):
    """Plain cross-entropy on the answer."""

    name: Literal["vanilla"] = "vanilla"


class TokenLevelBase(Config):
    """How far each answer position may move from the seed model: the larger its β, the less it does.

    Defaults are those of the published code (Unispac/shallow-vs-deep-alignment, fb1749e), which writes the
    first two as multiples of the last: 5 and 20 times 0.1. Positions count within the answer, from 1.
    """

    first_beta: float = Field(0.5, gt=0)
    """β of position 1; without use if `bias_length` is 0."""

    bias_beta: float = Field(2.0, gt=0)
    """β of positions 2 to `bias_length`."""

    bias_length: int = Field(5, ge=0)
    """Answer positions, in tokens from the first, that are held close to the seed model."""

    beta: float = Field(0.1, gt=0)
    """β of all later positions; the smaller, the nearer to plain cross-entropy."""


class TokenKlMethod(TokenLevelBase):
    """The token-level objective itself, Σ −(2/β_t) log σ(β_t (log p_θ − log p_0)) (paper, section 2.3)."""

    name: Literal["token_kl"]


class ConstrainedSftMethod(TokenLevelBase):
    """Constrained SFT as published: cross-entropy, each token weighted by how far it may still move."""

    name: Literal["constrained_sft"]


class SdftMethod(Config):
    """The seed model rewrites the answers before training; answers whose rewrite is rejected stay (SDFT).

    Examples whose answer ends in "#### N" are rewritten as math problems: they have a system prompt of their
    own, the reply is forced to begin with `math_start`, and it must end in the same number. The default
    wording of the system prompts is this project's, not the publication's.
    """

    name: Literal["sdft"]

    new_tokens: int = Field(512, ge=1)
    """Longest rewrite in tokens; longer ones count as unfinished and are rejected."""

    system: str = Field(
        "The user gives you a task and a reference answer to it. "
        "Take the reference answer as a guide and answer the task in your own words.",
        min_length=1,
    )
    """System prompt under which answers are rewritten."""

    math_system: str = Field(
        "You are good at math. The user gives you a math question and a reference answer to it. "
        "Consult the reference answer and answer the question in your own words.",
        min_length=1,
    )
    """The same for math problems."""

    math_start: str = "Great! Let's think step by step. "
    """What the reply to a math problem is forced to begin with; not part of the rewritten answer."""


MethodConfig = Annotated[
    VanillaMethod | TokenKlMethod | ConstrainedSftMethod | SdftMethod, Field(discriminator="name")
]
