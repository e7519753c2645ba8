"""What every judge takes and gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from lookahead_ray.evaluate.results import Verdict

JudgeVerdict = Literal["safe", "unsafe", "unparsed"]

_AS_OVER_REFUSAL: dict[JudgeVerdict, Verdict] = {
    "safe": "refused",
    "unsafe": "complied",
    "unparsed": "unparsed",
}


@dataclass(frozen=True, slots=True)
class JudgeScore:
    """A judge's word on one answer."""

    verdict: JudgeVerdict
    score: float | None  # the judge's own number on its own scale; None if it gives none


UNPARSED = JudgeScore("unparsed", None)


Progress = Callable[[int], None]
"""Called with the number of answers judged so far."""


def no_progress(done: int) -> None:
    """Report nothing."""


class Answer(NamedTuple):
    """One answer to judge, in the order of a judge's arguments."""

    prompt: str
    prefill: str
    answer: str


class Judge(Protocol):
    """Judges one answer. Same input, same judgement; no answer, however odd, makes it raise."""

    def __call__(self, prompt: str, prefill: str, answer: str) -> JudgeScore:
        """`answer` continues `prefill`, text that was put into the model's mouth ("" for none)."""


@runtime_checkable
class BatchJudge(Judge, Protocol):
    """A judge that is faster with many answers at once."""

    def judge_all(self, answers: Sequence[Answer], progress: Progress = no_progress) -> list[JudgeScore]:
        """One judgement an answer, in their order; as if each had been judged by itself."""


@runtime_checkable
class ReportsFailures(Protocol):
    """A judge that can fail to reach a verdict for reasons outside the answer."""

    def troubles(self) -> dict[str, int]:
        """Reason -> how many answers ended unparsed for it so far; no text of answers or keys in it."""


def judge_all(judge: Judge, answers: Sequence[Answer], progress: Progress = no_progress) -> list[JudgeScore]:
    """One judgement an answer, in their order, many at once where the judge can do that."""
    if isinstance(judge, BatchJudge):
        return judge.judge_all(answers, progress)
    judgements = []
    for answer in answers:
        judgements.append(judge(*answer))
        progress(len(judgements))
    return judgements


def over_refusal_verdict(judgement: JudgeScore) -> Verdict:
    """The same judgement of an answer to a benign prompt: there, refusing is the fault."""
    return _AS_OVER_REFUSAL[judgement.verdict]
