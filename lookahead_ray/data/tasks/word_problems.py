"""Generated arithmetic word problems in GSM8K's format, so that a trial needs no download.

A sample row:

    Example(
        system="You are a helpful assistant.",
        instruction="Mia has 8 marbles and gets 5 more from Tom. Then she gives 4 of them to her brother. "
        "How many marbles does Mia have left?",
        answer="Sure! Let's work it out. Mia first has 8 + 5 = 13 marbles.\\n"
        "Then she gives away 4, so 13 - 4 = 9 marbles are left.\\n#### 9",
    )

Problems have one to three steps, results from 2 to 99 and no calculator annotations. A solution begins with
one of three phrases; its steps are written as sentences, as above, or as bare calculations (`solutions`). A
hash of the story and the numbers (not of names and nouns) assigns a problem to its split, so train and test
overlap for no count or random seed, and a test problem is never a training problem with another name in it.
"""

import hashlib
import random
from collections.abc import Sequence
from typing import Literal, TypeVar

from lookahead_ray.config.task import Solutions
from lookahead_ray.data.example import SYSTEM_PROMPT, Example
from lookahead_ray.data.tasks.word_problem_templates import TEMPLATES, Template, words
from lookahead_ray.data.tasks.word_problem_templates.words import OPENINGS
from lookahead_ray.errors import DataError

Split = Literal["train", "test"]

TEST_ONE_IN = 5
"""Every fifth problem, by its hash, is a test problem."""

MAX_MISSES = 1_000
"""Number of successive draws without a new problem of the split that proves that there are no more."""

MAX_TRIES = 200
"""Maximum draws of numbers per template, so that templates whose numbers seldom divide are used as often."""

_T = TypeVar("_T")


def generate(
    split: Split,
    count: int,
    seed: int,
    templates: Sequence[Template] = TEMPLATES,
    solutions: Solutions = "sentences",
) -> list[Example]:
    """Return `count` problems of `split` with distinct instructions.

    The same arguments give the same list on every machine and Python version, and a longer list begins with
    the shorter one. Raises `DataError` if `split` is unknown, `count` is negative, or the templates do not
    yield `count` distinct problems (the built-in ones yield millions).
    """
    if split not in ("train", "test"):
        raise DataError(f'word_problems: split: must be "train" or "test", got {split!r}')
    if count < 0:
        raise DataError(f"word_problems: count: must be at least 0, got {count}")
    # Only random() is guaranteed to be the same in every Python version, so `_pick` draws from it.
    rng = random.Random(f"word_problems/{split}/{seed}")
    found: dict[str, Example] = {}
    misses = 0
    while len(found) < count:
        example = _draw(split, _pick(rng, templates), solutions, rng)
        if example is None or example.instruction in found:
            misses += 1
            if misses == MAX_MISSES:
                rule = f"must be at most the number of distinct {split} problems (about {len(found)})"
                raise DataError(f"word_problems: count: {rule}, got {count}")
            continue
        found[example.instruction] = example
        misses = 0
    return list(found.values())


def _draw(split: Split, template: Template, solutions: Solutions, rng: random.Random) -> Example | None:
    """Fill one template, or return None if no numbers were found that are solvable and belong to `split`."""
    for _ in range(MAX_TRIES):
        numbers = {name: _pick(rng, range(low, high + 1)) for name, (low, high) in template.numbers.items()}
        solved = template.solve(numbers)
        if solved is not None and _split_of(template, numbers) == split:
            givens = {name: str(number) for name, number in numbers.items()}
            instruction, answer = template.fill({**_words(template, rng), **givens, **solved}, solutions)
            opening = _pick(rng, OPENINGS)
            return Example(system=SYSTEM_PROMPT, instruction=instruction, answer=f"{opening} {answer}")
    return None


def _split_of(template: Template, numbers: dict[str, int]) -> Split:
    key = "|".join([template.text, *(f"{letter}={number}" for letter, number in sorted(numbers.items()))])
    digest = hashlib.sha256(key.encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") % TEST_ONE_IN == 0 else "train"


def _words(template: Template, rng: random.Random) -> dict[str, str]:
    name = _pick(rng, words.WOMEN + words.MEN)
    friend = _pick(rng, [other for other in words.WOMEN + words.MEN if other != name])
    she, her = ("she", "her") if name in words.WOMEN else ("he", "his")
    item = _pick(rng, template.items) if template.items else ""
    pronouns = {"she": she, "She": she.capitalize(), "her": her, "Her": her.capitalize()}
    return {"name": name, "friend": friend, "item": item, **pronouns}


def _pick(rng: random.Random, choices: Sequence[_T]) -> _T:
    return choices[int(rng.random() * len(choices))]
