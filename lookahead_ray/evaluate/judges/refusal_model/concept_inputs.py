"""What the perceptron over concepts reads of an answer: which concepts it has, where, and its structure.

All of it depends only on the text up to the end of a sentence, and nothing of it on the language.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookahead_ray.evaluate.judges.refusal_model.concepts import ConceptDictionary
from lookahead_ray.evaluate.judges.refusal_model.features import MAX_CHARACTERS, MAX_SENTENCES, AnswerFeatures

Inputs = NDArray[np.float32]

_MOST = 3  # occurrences of a concept that are counted
_PLACES = 3  # the whole text so far, its first sentence, its second
_MARKS = {"\n": 8, "0": 8, "?": 3, ":": 3, "!": 3, '"': 4, ",": 6}  # and how many of each are counted
_FIRST_MARKS = "0?:!,"  # whether they are in the first sentence


@dataclass(frozen=True)
class ConceptInputs:
    """The inputs after each sentence, and how much of the text the dictionary knows."""

    values: Inputs  # (sentences, inputs)
    known: NDArray[np.float32]  # (sentences,) share of the words that the dictionary knows


def count_inputs(dictionary: ConceptDictionary) -> int:
    """Return the number of inputs after each sentence."""
    return _PLACES * len(dictionary.concepts) + 4 + len(_MARKS) + len(_FIRST_MARKS)


def extract_inputs(features: AnswerFeatures, dictionary: ConceptDictionary) -> ConceptInputs:
    """Return the inputs of an answer with at least one sentence."""
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
    structure = values[:, _PLACES * kinds :]
    structure[:, 0] = known
    structure[:, 1:] = _describe_structure(features.text, features.ends)
    return ConceptInputs(values, known)


def _describe_structure(text: str, ends: Sequence[int]) -> Inputs:
    """Return the numbers of sentences, characters and marks up to each sentence's end, each at most about 1."""
    starts = (0, *ends[:-1])
    first = text[: ends[0]]
    marks = np.array(
        [[text.count(mark, start, end) for mark in _MARKS] for start, end in zip(starts, ends, strict=True)]
    )
    most = np.array(list(_MARKS.values()))
    size = np.array(ends)
    n = len(ends)
    beginning = [mark in first for mark in _FIRST_MARKS]
    return np.column_stack(
        [
            np.log(size) / np.log(MAX_CHARACTERS),
            np.arange(1, n + 1) / MAX_SENTENCES,
            np.full(n, np.log(size[0]) / np.log(MAX_CHARACTERS)),
            np.minimum(marks.cumsum(0), most) / most,
            np.tile(np.array(beginning, float), (n, 1)),
        ]
    ).astype(np.float32)
