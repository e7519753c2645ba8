"""Results of an evaluation, as rows and rates: plain values, no torch."""

from dataclasses import dataclass
from typing import Literal

Metric = Literal["rsr", "jsr", "over_refusal", "utility"]
Verdict = Literal[
    "safe", "unsafe", "complied", "refused", "correct", "wrong", "scored", "unparsed", "dropped", "unjudged"
]

Ended = Literal["end_token", "limit", "decided"]
"""How an answer ended: with its end token, at the limit of its length, or because no continuation could
change the verdict of any judge."""

COUNTED: dict[Metric, Verdict] = {
    "rsr": "safe",
    "jsr": "safe",
    "over_refusal": "refused",
    "utility": "correct",
}
"""The verdict that each metric's rate counts.

All rows are in the denominator, unparsed ones too, except `dropped` ones: answers without a verdict from a
judge whose protocol excludes these. `scored` rows count with their score. `unjudged` rows, whose judge could
not be asked, are judged later: until then their metric has no rate.
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share or a mean of scores with its 95 % interval, all in 0..1.

    `n` is the number of prompts, `unparsed` the number of those without a verdict.
    """

    value: float
    low: float
    high: float
    n: int
    unparsed: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One judge's verdict on one generated answer; an answer has one row per judge."""

    metric: Metric
    suite: str
    attack: str  # "none", or the attack's name such as "prefill_3"
    prompt_id: str
    category: str
    prompt: str
    suffix: str  # text that the attack appended to the prompt, after a space
    prefill: str  # prefilled start of the answer; not part of `answer`
    answer: str  # without thoughts; "" if it never left them, or if only a loss was measured
    judge: str
    verdict: Verdict
    score: float | None  # the judge's score (utility: see `rates.credit`); None without one
    ended: Ended | None = None  # None: nothing was generated, or the run is older than this field
    thoughts: str | None = None  # before the answer; None: it has none, or the run is older than this field


@dataclass(frozen=True, slots=True)
class TokenKl:
    """Next-token KL(fine-tuned || seed model) at one answer position of one harmful prompt."""

    suite: str
    prompt_id: str
    position: int  # from 1
    value: float  # nats


@dataclass(frozen=True, slots=True)
class Signal:
    """Teacher-forced measurements after an epoch, without generation: cheap, for early stopping."""

    epoch: int  # from 1
    train_tokens: int  # seen in training so far, prompts included
    kl: float | None  # nats, KL(fine-tuned || seed model), mean of requests and positions; None: not measured
    answer_loss: float | None  # nats per token of the second half of test rows' answers; None: not measured
    seconds: float  # duration of the measurement
