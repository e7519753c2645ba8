"""Openings that several of a model's answers share: candidates for the phrase of a virtual preview.

An opening must contain nothing of its question. So an answer's words count up to the end of its first
sentence, or to the first word that contains a digit or comes from its own question; words that occur in many
questions belong to the task ("how", "many") and are allowed. Of these beginnings, only those that the answers
to several questions share are openings:

    "To find how many plums Mia has, we"  ⎫
    "To find how many pens Ben needs, we" ⎬  "To find how many "
    "Sure! 3 + 4 = 7"                     ⎫
    "Sure! 5 - 1 = 4"                     ⎬  "Sure! "

Words are separated by spaces, so scripts without spaces yield whole sentences or nothing.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from lookahead_ray.config.phrases import phrase_key

TASK_WORD_SHARE = 0.25  # of the questions that must contain a word for it to belong to the task
LEAST_WORDS = 2  # of an opening that is no whole sentence
SENTENCE_END = re.compile(r"[.!?:…](?=\s|$)|[。！？：\n]")
DIGIT = re.compile(r"\d")
WORD = re.compile(r"\w+")
END = "."  # marks the end of a sentence; never the key of a word, as those hold letters and digits alone

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpeningAnswer:
    """The beginning of a model's answer; unless `finished`, it was cut off, perhaps inside the last word."""

    question: str
    text: str
    finished: bool


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The reusable beginning of an answer: its words as written, and their keys for comparison."""

    written: Words
    keys: Words  # one per word, and END after a whole sentence

    def openings(self) -> Iterator[Words]:
        """Yield the keys of its possible openings."""
        for end in range(1, len(self.keys) + 1):
            if end >= LEAST_WORDS or self.keys[end - 1] == END:
                yield self.keys[:end]

    def begins_with(self, keys: Words) -> bool:
        return self.keys[: len(keys)] == keys


def openings(answers: Sequence[OpeningAnswer]) -> list[str]:
    """Return the openings of answers to distinct questions, frequent ones first, each with a space appended.

    They are chosen greedily, by the number of words times the number of answers that begin so. Each choice
    removes these answers, and those whose beginnings are prefixes of it, so that no opening is a variation of
    another. Case, spaces and punctuation are ignored.
    """
    common = _task_words([answer.question for answer in answers])
    left = [_beginning(answer, common) for answer in answers]
    found: dict[str, tuple[int, str]] = {}
    while best := _longest_shared(left):
        keys, count = best
        first = next(each for each in left if each.begins_with(keys))
        text = " ".join(first.written[: len(keys)])
        found.setdefault(phrase_key(text), (count, f"{text} "))
        left = [each for each in left if keys[: len(each.keys)] != each.keys[: len(keys)]]
    return [text for _, text in sorted(found.values(), key=lambda each: -each[0])]


def _longest_shared(beginnings: Sequence[_Beginning]) -> tuple[Words, int] | None:
    """Return the shared opening with the most words over all beginnings, and the number that share it."""
    counts = Counter(keys for each in beginnings for keys in each.openings())
    shared = ((keys, count) for keys, count in counts.items() if count > 1)
    return max(shared, key=lambda each: len(each[0]) * each[1], default=None)


def _task_words(questions: Sequence[str]) -> frozenset[str]:
    counts = Counter(part for question in questions for part in _parts(question))
    return frozenset(part for part, count in counts.items() if count >= TASK_WORD_SHARE * len(questions))


def _beginning(answer: OpeningAnswer, common: frozenset[str]) -> _Beginning:
    text = answer.text.strip()
    stop = SENTENCE_END.search(text)
    words = (text[: stop.end()] if stop else text).split()
    if not stop and not answer.finished:
        words = words[:-1]
    never = _parts(answer.question) - common
    written = tuple(takewhile(lambda word: not _parts(word) & never and not DIGIT.search(word), words))
    keys = tuple(map(phrase_key, written))
    ended = stop is not None and len(written) == len(words)
    return _Beginning(written, (*keys, END) if ended else keys)


def _parts(text: str) -> set[str]:
    """Return the words of `text` without suffixes such as a possessive's "'s"."""
    return {part for part in WORD.findall(text.casefold()) if len(part) > 1}
