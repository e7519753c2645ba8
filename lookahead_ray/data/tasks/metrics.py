"""Metrics of a task's answers: ROUGE-1, equality or a pattern's match, or none (answer loss).

GSM8K's own metric is in final_number.py. Each metric also has a check that refuses a reference answer which
no prediction could match, so that a fault of the data is found before any training.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lookahead_ray.config.task import AnswerLossMetric, ExactMatchMetric, Rouge1Metric
from lookahead_ray.data.rows import quote
from lookahead_ray.data.tasks.task import MetricName, ScoreAnswer
from lookahead_ray.errors import DataError

SEARCH_SECONDS = 1.0
"""Maximum CPU time, in seconds, of a pattern search in one answer; CPU time, so that a busy machine changes
no score. An answer that takes longer is unparsed."""


@dataclass(frozen=True, slots=True)
class TaskMetric:
    """A metric's name, its scoring function, and its check of a reference answer (raises DataError)."""

    name: MetricName
    score: ScoreAnswer
    check: Callable[[str, str], None]
    """Takes (where, reference); `where` begins the message."""


def build_metric(config: ExactMatchMetric | Rouge1Metric | AnswerLossMetric) -> TaskMetric:
    """Build the configured metric."""
    if isinstance(config, Rouge1Metric):
        return TaskMetric("rouge1", rouge1, check_words)
    if isinstance(config, AnswerLossMetric):
        return TaskMetric("answer_loss", _nothing_to_score, lambda where, reference: None)
    pattern = config.pattern
    if pattern is None:
        return TaskMetric("exact_match", same_text, lambda where, reference: None)
    return TaskMetric(
        "exact_match",
        lambda prediction, reference: same_match(pattern, prediction, reference),
        lambda where, reference: _check_match(pattern, where, reference),
    )


def rouge1(prediction: str, reference: str) -> float:
    """Return ROUGE-1 of one answer, from 0 to 1: F-measure with Porter stemming (rouge-score).

    An answer without a word scores 0. The score is that of `calculate_utility.py` of zjunlp/LookAheadTuning
    at f9730df, which reports the mean times 100.
    """
    return float(_rouge_scorer().score(reference, prediction)["rouge1"].fmeasure)


@lru_cache(maxsize=1)
def _rouge_scorer() -> Any:
    from rouge_score import rouge_scorer  # imports nltk, which takes seconds

    return rouge_scorer.RougeScorer(["rouge1"], use_stemmer=True)


def check_words(where: str, reference: str) -> None:
    """Raise for a reference in which ROUGE's tokenizer finds nothing: it keeps only a to z and 0 to 9."""
    if not any(character.isascii() and character.isalnum() for character in reference):
        rule = "the answer must have Latin letters or digits, which are all that ROUGE-1 counts"
        raise DataError(f"{where}: {rule}, got {quote(reference)}")


def same_text(prediction: str, reference: str) -> float:
    """Return 1.0 if the texts are equal, ignoring white space around them and Unicode forms, else 0.0."""
    return float(_composed(prediction) == _composed(reference))


def _composed(text: str) -> str:
    """Return the stripped text in NFC, to which many tokenizers convert whatever a model reads and writes."""
    return unicodedata.normalize("NFC", text.strip())


def same_match(pattern: str, prediction: str, reference: str) -> float | None:
    """Return 1.0 if the last match of `pattern` captures the same text in both (`same_text`), else 0.0.

    None if the prediction has no match or its search takes longer than SEARCH_SECONDS. Raises DataError if
    the reference has none.
    """
    expected, found = last_match(pattern, reference), last_match(pattern, prediction)
    if expected is None:
        raise DataError(f"exact_match: reference: must match {pattern!r}, got {quote(reference)}")
    return None if found is None else same_text(found, expected)


def last_match(pattern: str, text: str) -> str | None:
    """Return the group's text in the last match, stripped; None without a match or after SEARCH_SECONDS.

    The library `regex` is used for its time limit: no pattern or text can delay an evaluation for long.
    """
    last = None
    try:
        for match in _compiled(pattern).finditer(text, timeout=SEARCH_SECONDS):
            last = match
    except TimeoutError:
        return None
    captured = last.group(1) if last is not None else None
    return None if captured is None else str(captured).strip()


@lru_cache(maxsize=8)
def _compiled(pattern: str) -> Any:
    import regex

    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise DataError(f"task.metric.pattern: must be a valid pattern ({error}), got {pattern!r}") from error


def _check_match(pattern: str, where: str, reference: str) -> None:
    if last_match(pattern, reference) is None:
        raise DataError(f"{where}: the answer must match {pattern!r}, got {quote(reference, tail=True)}")


def _nothing_to_score(prediction: str, reference: str) -> float | None:
    raise DataError("answer_loss: nothing is generated, so there is no answer to score")
