"""What the perceptrons read of a request: its concepts, and how much of it the answer takes up."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lookahead_ray.evaluate.judges.refusal_model.concepts import ConceptDictionary
from lookahead_ray.evaluate.judges.refusal_model.features import CHARACTERS_READ, simplify

_SHORTEST_REQUEST = 2  # characters; a shorter one stands for none
_CACHED_REQUESTS = 4096
_QUESTION_MARKS = "?？؟"
_MOST_SHARED = 4  # stems of the request in the answer that are counted
_MOST_STEMS = 10  # stems of the request that are counted
_OVERLAP = 4  # inputs that compare the answer so far with its request; the same for its first sentence
_FORMS = 3  # inputs of the request's form: that there is one, whether it asks, its length

Inputs = NDArray[np.float32]


@dataclass(frozen=True)
class ReadRequest:
    """A request as the perceptrons read it."""

    values: Inputs  # its concepts and its form
    stems: frozenset[str]  # of its content words


def count_request_inputs(dictionary: ConceptDictionary) -> int:
    """Return the number of inputs about a request after each sentence of an answer."""
    return count_request_only(dictionary) + 2 * _OVERLAP + 1


def count_request_only(dictionary: ConceptDictionary) -> int:
    """Return the number of these inputs, the first ones, that depend on the request alone."""
    return len(dictionary.concepts) + _FORMS


def read_request(request: str, dictionary: ConceptDictionary) -> ReadRequest | None:
    """Read the first characters of a request; None if there is none."""
    return _read_beginning(request[:CHARACTERS_READ], dictionary)


@lru_cache(_CACHED_REQUESTS)
def _read_beginning(request: str, dictionary: ConceptDictionary) -> ReadRequest | None:
    text = simplify(request).strip()
    if len(text) < _SHORTEST_REQUEST:
        return None
    concepts = dictionary.find(text, [len(text)])
    values = np.zeros(count_request_only(dictionary), np.float32)
    values[[concept for _, concept in concepts.found]] = 1
    asks = any(mark in text for mark in _QUESTION_MARKS)
    values[-_FORMS:] = 1, asks, min(len(text) / CHARACTERS_READ, 1) ** 0.5
    return ReadRequest(values, frozenset(stem for _, stem in concepts.stems))


def describe_request(
    request: ReadRequest, stems: Sequence[tuple[int, str]], ends: Sequence[int], values: Inputs
) -> None:
    """Write the inputs after each sentence of an answer, each at most 1.

    Args:
        stems: where each content word of the answer ends, in its order, and its stem.
        ends: where each sentence ends.
        values: (sentences, inputs) that are written to.
    """
    size = len(request.values)
    values[:, :size] = request.values
    places = [end for end, _ in stems]
    shared = [(end, stem) for end, stem in stems if stem in request.stems]
    taken_up: set[str] = set()
    overlap = []
    place = 0
    for end in ends:
        while place < len(shared) and shared[place][0] <= end:
            taken_up.add(shared[place][1])
            place += 1
        distinct = len(taken_up)
        overlap.append(
            (
                place / max(bisect_right(places, end), 1),
                distinct / max(len(request.stems), 1),
                min(distinct, _MOST_SHARED) / _MOST_SHARED,
                float(not distinct),
            )
        )
    values[:, size : size + _OVERLAP] = overlap
    values[:, size + _OVERLAP : -1] = overlap[0]
    values[:, -1] = min(len(request.stems), _MOST_STEMS) / _MOST_STEMS
