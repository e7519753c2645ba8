"""Loaded tasks: their rows, and the metric that scores an answer."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal

from lookahead_ray.data.example import SYSTEM_PROMPT, Example

MetricName = Literal["exact_match", "rouge1", "answer_loss"]
ScoreAnswer = Callable[[str, str], float | None]
"""(prediction, reference) -> from 0 to 1, or None if the prediction could not be parsed."""


@dataclass(frozen=True, slots=True)
class Task:
    """Training and test rows of one task, and the metric that scores a generated answer.

    `score(prediction, reference)` is from 0 to 1, or None if the prediction could not be parsed.
    `metric` names the measure of `score`; "answer_loss" has nothing to generate or to score (`score` raises
    DataError): utility is measured from the loss of the test rows' answers.
    `system` is the system prompt of the task's rows that have none of their own; safety prompts get it too.
    Test prompts must be rendered with each row's own `system`.
    `data_hash` is `hash_examples(train, test)`.
    """

    name: str
    train: list[Example]
    test: list[Example]
    score: ScoreAnswer
    metric: MetricName = "exact_match"
    system: str | None = SYSTEM_PROMPT
    data_hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_hash", hash_examples(self.train, self.test))


def hash_examples(train: list[Example], test: list[Example]) -> str:
    """Return the SHA-256 (64 hex digits) of both lists, in order, as canonical JSON."""
    rows = {"train": [_as_json(row) for row in train], "test": [_as_json(row) for row in test]}
    canonical = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _as_json(row: Example) -> dict[str, object]:
    """Return the row's fields, without an empty `history`, which data of single turns does not have."""
    fields = asdict(row)
    return fields if row.history else {name: fields[name] for name in fields if name != "history"}
