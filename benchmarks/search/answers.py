"""The answers of a recorded point, as numbers: credits and generated tokens, prompt by prompt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from lookahead_ray.evaluate.rates import credit, headline
from lookahead_ray.evaluate.results import COUNTED, Generation, Metric, Verdict
from lookahead_ray.trial.record import TrialRecord

METRICS: tuple[Metric, ...] = get_args(Metric)
OTHER: Mapping[Metric, Verdict] = {
    "rsr": "unsafe",
    "jsr": "unsafe",
    "over_refusal": "complied",
    "utility": "wrong",
}
"""The verdict of an answer without credit."""
Prompts = Mapping[Metric, tuple[str, ...]]
"""Prompt ids of each metric, in the order in which a grid lists answers."""


@dataclass(frozen=True)
class Answers:
    """One model's answers: for each metric, a number per prompt in the grid's order of prompts."""

    credits: Mapping[Metric, tuple[float, ...]]  # 0..1, as in `rates.credit`
    tokens: Mapping[Metric, tuple[int, ...]]  # generated, end tokens included

    @cached_property
    def generated(self) -> int:
        """Return the generated tokens of all answers."""
        return sum(map(sum, self.tokens.values()))


def prompts_of(record: TrialRecord) -> Prompts:
    """Return the prompt ids of the record's own rates, by metric; metrics without answers are left out."""
    rows = {metric: headline(record.generations, metric) for metric in METRICS}
    return {metric: tuple(row.prompt_id for row in found) for metric, found in rows.items() if found}


def answers_of(
    record: TrialRecord, prompts: Prompts, count_tokens: Callable[[str], int], task_limit: int
) -> Answers:
    """Return the answers that the record's own rates are computed from.

    Tokens are counted in the stored text, which can differ by a token or two from those that were generated.

    Args:
        count_tokens: returns the number of tokens of a text.
        task_limit: largest number of tokens of an answer to a task prompt.

    Raises:
        ValueError: the record has other prompts than `prompts`.
    """
    if prompts_of(record) != prompts:
        raise ValueError(f"trial {record.trial_id}: must have the prompts of the other trials")
    rows = {metric: headline(record.generations, metric) for metric in prompts}

    def tokens(row: Generation) -> int:
        count = count_tokens((row.thoughts or "") + row.answer)
        if row.ended is None:  # a task prompt
            return min(count + 1, task_limit)
        return count + (row.ended == "end_token")

    return Answers(
        {metric: tuple(map(credit, found)) for metric, found in rows.items()},
        {metric: tuple(map(tokens, found)) for metric, found in rows.items()},
    )


def generations_of(
    answers: Answers, prompts: Prompts, indices: Mapping[Metric, Sequence[int]] | None = None
) -> tuple[Generation, ...]:
    """Return rows with these credits and no texts, for code that compares answers prompt by prompt.

    Args:
        indices: the prompts, by metric; None for all.
    """
    chosen = indices or {metric: range(len(ids)) for metric, ids in prompts.items()}
    return tuple(
        _row(metric, prompts[metric][index], answers.credits[metric][index])
        for metric, places in chosen.items()
        for index in places
    )


def _row(metric: Metric, prompt_id: str, value: float) -> Generation:
    binary = value in (0, 1)
    return Generation(
        metric=metric,
        suite="task" if metric == "utility" else "suite",
        attack="attack" if metric == "jsr" else "none",
        prompt_id=prompt_id,
        category="",
        prompt="",
        suffix="",
        prefill="",
        answer="",
        judge="recorded",
        verdict=COUNTED[metric] if value == 1 else OTHER[metric] if binary else "scored",
        score=None if binary else value,
    )
