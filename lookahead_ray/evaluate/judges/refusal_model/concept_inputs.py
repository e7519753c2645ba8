"""What the perceptrons read of an answer: its concepts and where they are, its structure, and its request.

All of it depends only on the request and the text up to the end of a sentence, and nothing on the language.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from lookahead_ray.evaluate.judges.refusal_model.concepts import ConceptDictionary
from lookahead_ray.evaluate.judges.refusal_model.features import (
    CHARACTERS_READ,
    SENTENCES_READ,
    AnswerFeatures,
)
from lookahead_ray.evaluate.judges.refusal_model.request_inputs import (
    count_request_inputs,
    count_request_only,
    describe_request,
    read_request,
)

Inputs = NDArray[np.float32]

_MOST = 3  # occurrences of a concept that are counted
_PLACES = 3  # the whole text so far, its first sentence, its second
_MARKS = {"\n": 8, "0": 8, "?": 3, ":": 3, "!": 3, '"': 4, ",": 6}  # and how many of each are counted
_FIRST_MARKS = "0?:!,"  # whether they are in the first sentence
_LOGS = [log(max(length, 1)) / log(CHARACTERS_READ) for length in range(CHARACTERS_READ + 1)]


@dataclass(frozen=True)
class ConceptInputs:
    """The inputs after each sentence, and how much of the text the dictionary knows."""

    values: Inputs  # (sentences, inputs)
    known: NDArray[np.float32]  # (sentences,) share of the words that the dictionary knows
    languages: NDArray[np.int64]  # (sentences,) index of the dictionary's language, -1 for none


def count_inputs(dictionary: ConceptDictionary) -> int:
    """Return the number of inputs after each sentence."""
    return _count_answer_inputs(dictionary) + count_request_inputs(dictionary)


def request_columns(dictionary: ConceptDictionary) -> slice:
    """Return the inputs that depend on the request alone."""
    first = _count_answer_inputs(dictionary)
    return slice(first, first + count_request_only(dictionary))


def _count_answer_inputs(dictionary: ConceptDictionary) -> int:
    return _PLACES * len(dictionary.concepts) + 4 + len(_MARKS) + len(_FIRST_MARKS)


def extract_inputs(features: AnswerFeatures, request: str, dictionary: ConceptDictionary) -> ConceptInputs:
    """Return the inputs of an answer with at least one sentence; `request` is "" where it is unknown."""
    concepts = dictionary.find(features.text, features.ends)
    n, kinds = features.sentences, len(dictionary.concepts)
    found = np.array(concepts.found, np.int64).reshape(-1, 2)
    sentence, concept = found[:, 0], found[:, 1]
    counts = np.bincount(sentence * kinds + concept, minlength=n * kinds).reshape(n, kinds)
    values = np.zeros((n, count_inputs(dictionary)), np.float32)
    values[:, :kinds] = np.minimum(counts.cumsum(0), _MOST) / _MOST**0.5
    values[:, kinds : 2 * kinds] = counts[0] > 0
    if n > 1:
        values[1:, 2 * kinds : 3 * kinds] = counts[1] > 0
    known = np.array(concepts.known, np.float32)
    structure = values[:, _PLACES * kinds : _count_answer_inputs(dictionary)]
    structure[:, 0] = known
    structure[:, 1:] = _describe_structure(features.text, features.ends)
    asked = read_request(request, dictionary)
    if asked is not None:
        describe_request(asked, concepts.stems, features.ends, values[:, -count_request_inputs(dictionary) :])
    return ConceptInputs(values, known, np.array(concepts.languages))


def _describe_structure(text: str, ends: Sequence[int]) -> Inputs:
    """Return the numbers of characters, sentences and marks up to each sentence's end, each at most 1."""
    first = text[: ends[0]]
    constant = [_LOGS[min(ends[0], CHARACTERS_READ)], *[float(mark in first) for mark in _FIRST_MARKS]]
    counts = [0] * len(_MARKS)
    rows = []
    start = 0
    for number, end in enumerate(ends, 1):
        counts = [count + text.count(mark, start, end) for count, mark in zip(counts, _MARKS, strict=True)]
        shares = [min(count, most) / most for count, most in zip(counts, _MARKS.values(), strict=True)]
        rows.append([_LOGS[min(end, CHARACTERS_READ)], number / SENTENCES_READ, *constant, *shares])
        start = end
    return np.array(rows, np.float32)
