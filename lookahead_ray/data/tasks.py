"""What a trial learns: `TASKS` maps a task's name to the function that loads it.

A new task is one function from its configuration to a `Task`, and one line in `TASKS`. Configurations are
described as protocols, so this module needs no configuration package to be used or tested.
"""

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from lookahead_ray.data import gsm8k, word_problems
from lookahead_ray.data.answers import exact_match
from lookahead_ray.data.example import Example
from lookahead_ray.data.word_problem_templates import TEMPLATES
from lookahead_ray.data.word_problem_templates.template import Solutions
from lookahead_ray.errors import ConfigError, DataError


class TaskConfig(Protocol):
    """What every task's configuration holds: its `name` in `TASKS`, sizes in examples, and a seed."""

    @property
    def name(self) -> str: ...
    @property
    def train_examples(self) -> int: ...
    @property
    def test_examples(self) -> int: ...
    @property
    def seed(self) -> int: ...


class WordProblemsConfig(TaskConfig, Protocol):
    """As above, with the most calculations that a problem takes (1 to 3) and how solutions show them."""

    @property
    def max_steps(self) -> int: ...
    @property
    def solutions(self) -> Solutions: ...


class Gsm8kConfig(TaskConfig, Protocol):
    """As above, with local JSONL files; None means the hub (`path`) or rows of `path` (`test_path`)."""

    @property
    def path(self) -> str | None: ...
    @property
    def test_path(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Task:
    """Training and test rows of one task, and the metric that scores a generated answer.

    `score(prediction, reference)` is from 0 to 1, or None if the prediction could not be parsed.
    `data_hash` is `hash_examples(train, test)`.
    """

    name: str
    train: list[Example]
    test: list[Example]
    score: Callable[[str, str], float | None]
    data_hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_hash", hash_examples(self.train, self.test))


def load_task(config: TaskConfig) -> Task:
    """Return the task that `config.name` names in `TASKS`.

    Raises `ConfigError` for an unknown name and `DataError` for data that breaks a rule or does not suffice.
    """
    if config.name not in TASKS:
        raise ConfigError(f"task: name: must be one of {', '.join(TASKS)}, got {config.name!r}")
    return TASKS[config.name](config)


def hash_examples(train: list[Example], test: list[Example]) -> str:
    """Return the SHA-256 (64 hex digits) of both lists, in order, as canonical JSON."""
    rows = {"train": [asdict(row) for row in train], "test": [asdict(row) for row in test]}
    canonical = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def load_word_problems(config: WordProblemsConfig) -> Task:
    """Generate the word problems of at most `config.max_steps` steps; see `word_problems.generate`."""
    templates = [template for template in TEMPLATES if len(template.steps) <= config.max_steps]
    train = word_problems.generate("train", config.train_examples, config.seed, templates, config.solutions)
    test = word_problems.generate("test", config.test_examples, config.seed, templates, config.solutions)
    return Task("word_problems", train, test, exact_match)


def load_gsm8k(config: Gsm8kConfig) -> Task:
    """Sample GSM8K rows, from the file or files given or else from the hub's train and test splits.

    Test rows are drawn first, so `train_examples` does not change them, and no question is in both lists
    (upper and lower case and white space aside). A longer list of either begins with the shorter one, up to
    rows that a longer test list takes out of the training rows. Raises `DataError` if there are too few rows.
    """
    train_rows = gsm8k.load(config.path, "train")
    shared = config.path is not None and config.test_path is None
    test_rows = train_rows if shared else gsm8k.load(config.test_path, "test")

    distinct = list({_key(row): row for row in _shuffled(test_rows, f"gsm8k/test/{config.seed}")}.values())
    test = distinct[: config.test_examples]
    held_out = {_key(row) for row in test}
    free = [row for row in _shuffled(train_rows, f"gsm8k/train/{config.seed}") if _key(row) not in held_out]

    wanted = f"{config.train_examples} + {config.test_examples}"
    rule = "train_examples + test_examples: must fit the rows without a question in both"
    if len(test) < config.test_examples:
        source = config.test_path or config.path or gsm8k.HUB_NAME
        raise DataError(f"{source}: {rule} ({len(distinct)} questions to test on), got {wanted}")
    if len(free) < config.train_examples:
        source = config.path or gsm8k.HUB_NAME
        raise DataError(f"{source}: {rule} ({len(free)} of {len(train_rows)} left to train on), got {wanted}")
    return Task("gsm8k", free[: config.train_examples], test, exact_match)


def _key(row: Example) -> str:
    return " ".join(row.instruction.split()).casefold()


def _shuffled(rows: list[Example], seed: str) -> list[Example]:
    # Sorted by random() and not shuffled: only random() is promised to be the same in every Python version.
    rng = random.Random(seed)
    keys = [rng.random() for _ in rows]
    return [rows[index] for index in sorted(range(len(rows)), key=keys.__getitem__)]


TASKS: Mapping[str, Callable[[Any], Task]] = {
    "word_problems": load_word_problems,
    "gsm8k": load_gsm8k,
}
"""Every task, by the `name` of its configuration."""
