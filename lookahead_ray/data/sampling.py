"""Sampling of a task's training and test rows without overlap."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lookahead_ray.config.task import SampledTask
from lookahead_ray.data.example import Example
from lookahead_ray.errors import DataError


@dataclass(frozen=True, slots=True)
class Pool:
    """All examples of one source, and the source's name for messages."""

    source: str
    examples: list[Example]


def sample(
    config: SampledTask, name: str, train: Pool, test: Pool | None
) -> tuple[list[Example], list[Example]]:
    """Draw (training examples, test examples) with the config's sizes and random seed.

    Without `test`, test examples are drawn from `train`.

    Test rows are drawn first, so `train_examples` does not change them, and no instruction is in both lists
    (with its system prompt and earlier turns, ignoring case and white space). A longer list begins with the
    shorter one, except for rows that a longer test list removes from the training rows; with
    `held_out_share` even those are the same. `name` is part of the random seed. Raises DataError if there are
    too few rows.
    """
    pool = test or train
    shuffled = _shuffled(pool.examples, f"{name}/test/{config.seed}")
    distinct = list({_key(row): row for row in shuffled}.values())
    if test is None and config.held_out_share is not None:
        distinct = distinct[: max(1, round(config.held_out_share * len(distinct)))]
        held_out = {_key(row) for row in distinct}
        tested = distinct[: config.test_examples]
    else:
        tested = distinct[: config.test_examples]
        held_out = {_key(row) for row in tested}
    shuffled = _shuffled(train.examples, f"{name}/train/{config.seed}")
    free = [row for row in shuffled if _key(row) not in held_out]

    wanted = f"{_size(config.train_examples)} + {_size(config.test_examples)}"
    rule = "train_examples + test_examples: must fit the rows without a question in both"
    if len(tested) < (config.test_examples or 1):
        raise DataError(f"{pool.source}: {rule} ({len(distinct)} questions to test on), got {wanted}")
    if len(free) < (config.train_examples or 1):
        left = f"{len(free)} of {len(train.examples)} left to train on"
        raise DataError(f"{train.source}: {rule} ({left}), got {wanted}")
    return free[: config.train_examples], tested


def without_questions_of(examples: Sequence[Example], tested: Iterable[Example]) -> list[Example]:
    """Return the examples whose question, system prompt and turns before it included, is none of `tested`."""
    held_out = {_key(row) for row in tested}
    return [row for row in examples if _key(row) not in held_out]


def _size(examples: int | None) -> str:
    return "all" if examples is None else str(examples)


def _key(row: Example) -> str:
    said = [row.system or "", *(text for exchange in row.history for text in exchange), row.instruction]
    return " ".join(" ".join(said).split()).casefold()


def _shuffled(rows: list[Example], seed: str) -> list[Example]:
    # Sorted by random() and not shuffled: only random() is guaranteed to be the same in every Python version.
    rng = random.Random(seed)
    keys = [rng.random() for _ in rows]
    return [rows[index] for index in sorted(range(len(rows)), key=keys.__getitem__)]
