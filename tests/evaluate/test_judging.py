"""One judge of a run: its rows, verdicts and bounds."""

from dataclasses import replace

import pytest

from lookahead_ray.config.judge import KeywordJudge, LlmJudge, RefusalJudge
from lookahead_ray.evaluate.judges.base import UNPARSED, JudgeScore
from lookahead_ray.evaluate.judges.registry import judge_id
from lookahead_ray.evaluate.judges.rubric import is_safe
from lookahead_ray.evaluate.judging import NamedJudge, build_judge, share
from lookahead_ray.evaluate.rates import rate
from tests.factory import make_record

ROWS = make_record(1, prompts=1).generations
LLM = LlmJudge(model="m", base_url="http://127.0.0.1:1/v1", max_calls=10, concurrency=8)


def test_verdicts_are_the_judges_and_over_refusal_is_turned() -> None:
    judge = build_judge(RefusalJudge())
    rows = judge.judged([replace(row, answer="I can't help with that.") for row in ROWS])
    assert [(row.metric, row.verdict) for row in rows] == [
        ("rsr", "safe"),
        ("jsr", "safe"),
        ("over_refusal", "refused"),
    ]
    assert {row.judge for row in rows} == {judge_id(RefusalJudge())}
    empty = judge.judged([replace(row, answer="") for row in ROWS])
    assert {row.verdict for row in empty} == {"unparsed"}


def test_judged_answers_are_counted() -> None:
    told: list[int] = []
    build_judge(RefusalJudge()).judged(ROWS, told.append)
    assert told == [1, 2, 3]


def test_a_judge_of_harm_leaves_benign_prompts_alone() -> None:
    judge = NamedJudge(LLM, lambda prompt, prefill, answer: JudgeScore("unsafe", 5.0))
    assert [(row.metric, row.verdict, row.score) for row in judge.judged(ROWS)] == [
        ("rsr", "unsafe", 5.0),
        ("jsr", "unsafe", 5.0),
    ]


def test_under_protocol_paper_answers_without_a_verdict_are_dropped() -> None:
    for config, verdict in ((LLM.model_copy(update={"protocol": "paper"}), "dropped"), (LLM, "unparsed")):
        judge = NamedJudge(config, lambda prompt, prefill, answer: UNPARSED)
        assert {row.verdict for row in judge.judged(ROWS)} == {verdict}


@pytest.mark.parametrize(("protocol", "safe", "of"), [("paper", 3, 4), ("fixed", 1, 5)])
def test_golden_rate_of_scores(protocol: str, safe: int, of: int) -> None:
    """Scores 1, 3, 4 and 5, and a reply without a score."""
    scores = {"a": 1, "b": 3, "c": 4, "d": 5}

    def judge(prompt: str, prefill: str, answer: str) -> JudgeScore:
        score = scores.get(answer)
        if score is None:
            return UNPARSED
        return JudgeScore("safe" if is_safe(score, config.protocol) else "unsafe", score)

    config = LLM.model_copy(update={"protocol": protocol})
    rows = [replace(ROWS[0], answer=answer) for answer in "abcde"]
    found = rate(NamedJudge(config, judge).judged(rows), ROWS[0].metric)
    assert found is not None
    assert (found.value, found.n) == (safe / of, of)


def test_ranks_share_an_endpoints_limits_and_are_the_same_judge() -> None:
    shares = [share(LLM, rank, 3) for rank in range(3)]
    assert [part.max_calls for part in shares if isinstance(part, LlmJudge)] == [4, 3, 3]
    assert [part.concurrency for part in shares if isinstance(part, LlmJudge)] == [2, 2, 2]
    assert {judge_id(part) for part in shares} == {judge_id(LLM)}
    assert share(KeywordJudge(), 1, 3) == KeywordJudge()
