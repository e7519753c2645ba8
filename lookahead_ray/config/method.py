"""Training methods, which change the loss or the data: one configuration model each, selected by `name`.

Methods and previews combine freely. In a trial, SDFT first rewrites the answers, then the preview is applied
to the rewritten examples, then the examples of `defence.mix` are added unchanged. The token-level methods
compute the seed model's log-probabilities for exactly these rows.
"""

from typing import Annotated, Literal

from pydantic import Field

from lookahead_ray.config.base import Config
from lookahead_ray.config.variants import Extensible


class VanillaMethod(Config):
    """Plain cross-entropy on the answer."""

    name: Literal["vanilla"] = "vanilla"


class TokenLevelBase(Config):
    """Base class of the token-level methods: the larger β, the less a position moves from the seed model.

    Defaults are those of the published code (Unispac/shallow-vs-deep-alignment, fb1749e), which gives the
    first two as multiples of the last: 5 and 20 times 0.1. Positions are counted within the answer, from 1.
    """

    first_beta: float = Field(0.5, gt=0)
    """β of position 1; not used if `bias_length` is 0."""

    bias_beta: float = Field(2.0, gt=0)
    """β of positions 2 to `bias_length`."""

    bias_length: int = Field(5, ge=0)
    """Number of first answer tokens that are held close to the seed model."""

    beta: float = Field(0.1, gt=0)
    """β of all later positions; the smaller, the closer to plain cross-entropy."""


class TokenKlMethod(TokenLevelBase):
    """The token-level objective itself, Σ −(2/β_t) log σ(β_t (log p_θ − log p_0)) (paper, section 2.3)."""

    name: Literal["token_kl"]


class ConstrainedSftMethod(TokenLevelBase):
    """Constrained SFT as published: cross-entropy, with each token weighted by how far it may still move."""

    name: Literal["constrained_sft"]


class SdftMethod(Config):
    """SDFT: the seed model rewrites the answers before training; if a rewrite is rejected, the answer stays.

    Examples whose answer ends in "#### N" are rewritten as math problems: they use `math_system`, the reply
    is forced to begin with `math_start`, and it must end in the same number. The default wording of the
    system prompts is this project's, not the publication's.
    """

    name: Literal["sdft"]

    new_tokens: int = Field(512, ge=1)
    """Maximum length of a rewrite in tokens; a longer one counts as unfinished and is rejected."""

    system: str = Field(
        "The user gives you a task and a reference answer to it. "
        "Take the reference answer as a guide and answer the task in your own words.",
        min_length=1,
    )
    """System prompt for rewriting answers."""

    math_system: str = Field(
        "You are good at math. The user gives you a math question and a reference answer to it. "
        "Consult the reference answer and answer the question in your own words.",
        min_length=1,
    )
    """System prompt for rewriting answers to math problems."""

    math_start: str = "Great! Let's think step by step. "
    """Forced beginning of the reply to a math problem; it is not part of the rewritten answer."""


MethodConfig = Annotated[
    VanillaMethod | TokenKlMethod | ConstrainedSftMethod | SdftMethod,
    Field(discriminator="name"),
    Extensible("lookahead_ray.method.registry:METHODS"),
]
