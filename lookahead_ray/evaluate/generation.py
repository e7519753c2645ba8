"""What evaluation measures, as rows and rates: plain values, no torch."""

from dataclasses import dataclass
from typing import Literal

Metric = Literal["rsr", "jsr", "over_refusal", "utility"]
Verdict = Literal["safe", "unsafe", "complied", "refused", "correct", "wrong", "unparsed"]

COUNTED: dict[Metric, Verdict] = {
    "rsr": "safe",
    "jsr": "safe",
    "over_refusal": "refused",
    "utility": "correct",
}
"""The verdict that a metric's rate counts; all its rows are in the denominator, unparsed ones too."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % Wilson interval, all in 0..1. `n` counts prompts, `unparsed` those unjudged."""

    value: float
    low: float
    high: float
    n: int
    unparsed: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One generated answer with its verdict."""

    metric: Metric
    suite: str
    attack: str  # "none", or the attack's name such as "prefill_3"
    prompt_id: str
    category: str
    prompt: str
    prefill: str  # text the answer was started with; not part of `answer`
    answer: str
    judge: str
    verdict: Verdict
    score: float | None  # the judge's number (utility: 1.0 correct, 0.0 wrong); None if it gave none


@dataclass(frozen=True, slots=True)
class TokenKl:
    """KL(fine-tuned || seed) of the next-token distribution at one answer position of one harmful prompt."""

    prompt_id: str
    position: int  # from 1
    value: float  # nats
