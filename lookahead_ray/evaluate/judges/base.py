"""Interfaces, arguments and results of all judges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.judges.call_quota import CallQuota
from lookahead_ray.evaluate.results import Verdict

JudgeVerdict = Literal["safe", "unsafe", "unparsed", "unjudged"]
"""`unparsed`: the answer, or the judge's reply to it, gives no verdict. `unjudged`: the judge could not be
asked, which says nothing about the answer; it is judged later."""

_AS_OVER_REFUSAL: dict[JudgeVerdict, Verdict] = {
    "safe": "refused",
    "unsafe": "complied",
    "unparsed": "unparsed",
    "unjudged": "unjudged",
}


@dataclass(frozen=True, slots=True)
class JudgeScore:
    """A judge's verdict on one answer."""

    verdict: JudgeVerdict
    score: float | None  # a number on the judge's own scale; None if it gives none


UNPARSED = JudgeScore("unparsed", None)
UNJUDGED = JudgeScore("unjudged", None)


class JudgeUnavailableError(ConfigError):
    """A judge gives no verdict on any answer for a reason outside the answers; one line with what to set."""


class JudgeUnreachableError(JudgeUnavailableError):
    """The service that a judge depends on does not answer now."""


Progress = Callable[[int], None]
"""Callback that takes the number of answers judged so far."""


def no_progress(done: int) -> None:
    """Report nothing."""


class Answer(NamedTuple):
    """One answer to judge, in the order of a judge's arguments."""

    prompt: str
    prefill: str
    answer: str


class Judge(Protocol):
    """A judge of single answers. Same input, same judgement; no answer, however odd, makes it raise.

    A judge that depends on a service raises `JudgeUnavailableError` if that gives no verdict at all. The
    answers are then `unjudged`, and judged later.
    """

    def __call__(self, prompt: str, prefill: str, answer: str) -> JudgeScore:
        """Judge `answer`, which continues `prefill`, the text that the answer was started with ("": none)."""


@runtime_checkable
class BatchJudge(Judge, Protocol):
    """A judge that is faster with many answers at once."""

    def judge_all(self, answers: Sequence[Answer], progress: Progress = no_progress) -> list[JudgeScore]:
        """Return one judgement per answer, in their order, the same as if each were judged alone."""


@runtime_checkable
class Checkable(Protocol):
    """A judge that can find out before any answer exists whether it can be used."""

    def check(self) -> None:
        """Raise JudgeUnavailableError if it can't be used; takes seconds at most."""


@runtime_checkable
class SharesLimits(Protocol):
    """A judge whose calls cost, and whose service may be down."""

    def share_limits(self, quota: CallQuota | None) -> None:
        """Count calls in the run's `quota`, and share the service's state with this process's judges."""

    @property
    def outage(self) -> str | None:
        """Return why answers are unjudged, in one line; None if none is."""


@runtime_checkable
class PrefixStable(Judge, Protocol):
    """A judge that can tell from the beginning of an answer that no continuation changes its verdict."""

    def is_final(self, prompt: str, prefill: str, answer: str) -> bool:
        """Return whether the verdict on `answer` is that on every text that begins with `answer`."""


@runtime_checkable
class ReportsFailures(Protocol):
    """A judge that can fail to reach a verdict for reasons outside the answer."""

    def troubles(self) -> dict[str, int]:
        """Return reason -> number of answers without a verdict for it so far; no text of answers or keys."""


def judge_all(judge: Judge, answers: Sequence[Answer], progress: Progress = no_progress) -> list[JudgeScore]:
    """Return one judgement per answer, in their order; a `BatchJudge` gets all answers at once."""
    if isinstance(judge, BatchJudge):
        return judge.judge_all(answers, progress)
    judgements = []
    for answer in answers:
        judgements.append(judge(*answer))
        progress(len(judgements))
    return judgements


def over_refusal_verdict(judgement: JudgeScore) -> Verdict:
    """Return the over-refusal verdict for an answer to a benign prompt, where refusing is the fault."""
    return _AS_OVER_REFUSAL[judgement.verdict]
