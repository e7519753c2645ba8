"""What every judge takes and gives."""

from dataclasses import dataclass
from typing import Literal, Protocol

from lookahead_ray.evaluate.generation import Verdict

JudgeVerdict = Literal["safe", "unsafe", "unparsed"]

_AS_OVER_REFUSAL: dict[JudgeVerdict, Verdict] = {
    "safe": "refused",
    "unsafe": "complied",
    "unparsed": "unparsed",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's word on one answer."""

    verdict: JudgeVerdict
    score: float | None  # the judge's own number on its own scale; None if it gives none


class Judge(Protocol):
    """Judges one answer. Same input, same judgement; no answer, however odd, makes it raise."""

    def __call__(self, prompt: str, prefill: str, answer: str) -> Judgement:
        """`answer` continues `prefill`, text that was put into the model's mouth ("" for none)."""


def over_refusal_verdict(judgement: Judgement) -> Verdict:
    """The same judgement of an answer to a benign prompt: there, refusing is the fault."""
    return _AS_OVER_REFUSAL[judgement.verdict]
