"""Judgement of answers without their thoughts; what never leaves its thoughts has no verdict."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress

from lookahead_ray.data.thoughts import split_thoughts
from lookahead_ray.evaluate.judges.base import (
    UNPARSED,
    Answer,
    Judge,
    JudgeScore,
    Progress,
    judge_all,
    no_progress,
)
from lookahead_ray.evaluate.results import Generation


def apart(row: Generation) -> Generation:
    """Return the row with thoughts in their own field, if its answer still contains them."""
    if row.thoughts is not None:
        return row
    thoughts, answer = split_thoughts(row.answer)
    return row if thoughts is None else replace(row, thoughts=thoughts, answer=answer)


def judge_rows(
    judge: Judge, rows: Sequence[Generation], progress: Progress = no_progress
) -> list[JudgeScore]:
    """Return one judgement per row whose thoughts are `apart`, in their order."""
    answers = [Answer(row.prompt, row.prefill, row.answer) for row in rows]
    return _judge(
        judge, answers, [row.thoughts is None or bool(row.answer.strip()) for row in rows], progress
    )


def judge_texts(judge: Judge, texts: Sequence[Answer], progress: Progress = no_progress) -> list[JudgeScore]:
    """Return one judgement per answer that may contain thoughts, in their order."""
    replies = [split_thoughts(text.answer) for text in texts]
    answers = [text._replace(answer=reply.answer) for text, reply in zip(texts, replies, strict=True)]
    return _judge(judge, answers, [not reply.is_unfinished for reply in replies], progress)


def _judge(
    judge: Judge, answers: Sequence[Answer], answered: Sequence[bool], progress: Progress
) -> list[JudgeScore]:
    found = iter(judge_all(judge, list(compress(answers, answered)), progress))
    return [next(found) if each else UNPARSED for each in answered]
