"""What evaluation measures, as rows and rates: plain values, no torch."""

from dataclasses import dataclass
from typing import Literal

Metric = Literal["rsr", "jsr", "over_refusal", "utility"]
Verdict = Literal[
    "safe", "unsafe", "complied", "refused", "correct", "wrong", "scored", "unparsed", "dropped"
]

COUNTED: dict[Metric, Verdict] = {
    "rsr": "safe",
    "jsr": "safe",
    "over_refusal": "refused",
    "utility": "correct",
}
"""The verdict that a metric's rate counts.

All its rows are in the denominator, unparsed ones too, but for the `dropped`: answers without a verdict by a
judge whose protocol leaves these out. `scored` rows count with their score.
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share or a mean of scores with its 95 % interval, all in 0..1.

    `n` counts prompts, `unparsed` those among them that no verdict could be given to.
    """

    value: float
    low: float
    high: float
    n: int
    unparsed: int


@dataclass(frozen=True, slots=True)
class Generation:
    """One judge's verdict on one generated answer; an answer that several judged has a row for each."""

    metric: Metric
    suite: str
    attack: str  # "none", or the attack's name such as "prefill_3"
    prompt_id: str
    category: str
    prompt: str
    suffix: str  # text that the attack put behind the prompt, after a space
    prefill: str  # text the answer was started with; not part of `answer`
    answer: str  # "" where only a loss was measured
    judge: str
    verdict: Verdict
    score: float | None  # the judge's number (utility: see `rates.credit`); None if it gave none


@dataclass(frozen=True, slots=True)
class TokenKl:
    """KL(fine-tuned || seed) of the next-token distribution at one answer position of one harmful prompt."""

    suite: str
    prompt_id: str
    position: int  # from 1
    value: float  # nats


@dataclass(frozen=True, slots=True)
class Signal:
    """What was measured after an epoch, teacher-forced, with nothing generated: cheap, for early stopping."""

    epoch: int  # from 1
    train_tokens: int  # seen in training so far, prompts included
    kl: float | None  # nats, KL(fine-tuned || seed), mean over requests and positions; None: not measured
    answer_loss: float | None  # nats per token of the second half of test rows' answers; None: not measured
    seconds: float  # that measuring took
