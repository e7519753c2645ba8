"""Training of the classifier: logistic regression over words, and the perceptrons over concepts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.sparse import csr_matrix, diags, vstack  # type: ignore[import-untyped]

from lookahead_ray.evaluate.judges.refusal_model.answers import LabelledAnswer
from lookahead_ray.evaluate.judges.refusal_model.concept_inputs import (
    ConceptInputs,
    extract_inputs,
    request_columns,
)
from lookahead_ray.evaluate.judges.refusal_model.concepts import ConceptDictionary
from lookahead_ray.evaluate.judges.refusal_model.features import BUCKETS, AnswerFeatures, extract_features
from lookahead_ray.evaluate.judges.refusal_model.linear import LinearModel, Values, quantise
from lookahead_ray.evaluate.judges.refusal_model.model import RefusalModel
from lookahead_ray.evaluate.judges.refusal_model.perceptron import Training, fit_perceptron

FEWEST_ANSWERS = 2
"""Number of answers that a feature must be in."""

STRENGTH = 20.0
"""Weight of the data against the weights' squared norm."""

ITERATIONS = 80
PREFIX_WEIGHT = 0.3
"""Weight of an answer's beginning, up to each of its sentences, against that of the whole answer."""


FRAGMENT_WEIGHT = 0.3
"""Weight of a fragment against that of a whole answer."""


MOST_OF_A_LANGUAGE = 3_000
"""Number of answers of a language from which they count less in the training for other languages."""

SEEN_LANGUAGES = Training(epochs=12, rate=3e-3, dropped_inputs=0.1, dropped_units=0.3)
"""Training of the perceptron for languages of the training answers."""

OTHER_LANGUAGES = Training(epochs=24, rate=1e-3, dropped_inputs=0.3, dropped_units=0.5)
"""Training of the perceptron for other languages, where words are missing from the dictionary."""


BALANCED = (0.5, 2.0)
"""Least and largest factor of an answer's weight by which requests are balanced."""

FEWEST_OF_A_LANGUAGE = 8
"""Number of answers from which training knows a language of the dictionary."""

LEAST_OF_A_LANGUAGE = 0.15
"""Share of the answers said to be in a language whose words must be of one for training to know it."""


@dataclass(frozen=True)
class ReadAnswer:
    """A labelled answer with at least one sentence, as the two models read it."""

    answer: LabelledAnswer
    features: AnswerFeatures
    inputs: ConceptInputs


def read_answers(answers: Sequence[LabelledAnswer], dictionary: ConceptDictionary) -> list[ReadAnswer]:
    """Return the answers as the models read them, without those that have no sentence."""
    found = [(answer, extract_features(answer.answer)) for answer in answers]
    return [
        ReadAnswer(answer, features, extract_inputs(features, answer.request, dictionary))
        for answer, features in found
        if features.sentences
    ]


def fit_answers(answers: Sequence[ReadAnswer], dictionary: ConceptDictionary) -> RefusalModel:
    """Return the model for labelled answers, read with `dictionary`."""
    refuses = np.array([each.answer.refuses for each in answers])
    weights = np.array([FRAGMENT_WEIGHT if each.answer.is_fragment else 1.0 for each in answers])
    sizes = Counter(each.answer.language for each in answers if not each.answer.is_fragment)
    shares = np.array(
        [min(1.0, MOST_OF_A_LANGUAGE / max(sizes[each.answer.language], 1)) for each in answers]
    )
    inputs = [each.inputs.values for each in answers]
    requests = np.array([each[-1, request_columns(dictionary)] for each in inputs])
    balanced = weights * balance_requests(requests, refuses, weights)
    return RefusalModel(
        fit_linear([each.features for each in answers], refuses, weights),
        fit_perceptron(inputs, refuses, balanced, SEEN_LANGUAGES),
        fit_perceptron(inputs, refuses, balanced * shares, OTHER_LANGUAGES),
        _find_familiar(answers, dictionary),
        dictionary,
    )


def balance_requests(requests: NDArray[np.float32], refuses: NDArray[np.bool_], weights: Values) -> Values:
    """Return factors for the answers' weights with which a request alone says nothing about its answer.

    Harmful requests are refused more often. A judge that went by that would find refusals of harmful
    requests where there are none, so an answer weighs less the surer its request alone tells its label.

    Args:
        requests: (n, inputs) what depends on the request alone; zeros where it is unknown.
        refuses: (n,) whether each answer refuses.
        weights: (n,) weight of each answer in the loss.
    """
    known = requests.any(1)
    factors = np.ones(len(requests))
    if known.any():
        rows = csr_matrix(requests[known].astype(np.float64))
        found, bias = _logistic(rows, refuses[known], weights[known])
        margins = np.where(refuses[known], 1.0, -1.0) * (rows @ found + bias)
        factors[known] = np.clip(0.5 * (1 + np.exp(-margins)), *BALANCED)
    return factors


def _find_familiar(answers: Sequence[ReadAnswer], dictionary: ConceptDictionary) -> NDArray[np.uint8]:
    """Return for each language of the dictionary, and last for none of them, whether answers are in it."""
    found: dict[str, Counter[int]] = {}
    for each in answers:
        found.setdefault(each.answer.language, Counter())[int(each.inputs.languages[-1])] += 1
    familiar = np.zeros(len(dictionary.languages) + 1, np.uint8)
    for counts in found.values():
        fewest = max(FEWEST_OF_A_LANGUAGE, LEAST_OF_A_LANGUAGE * counts.total())
        familiar[[language for language, count in counts.items() if count >= fewest]] = 1
    familiar[-1] = 1
    return familiar


def fit_linear(
    answers: Sequence[AnswerFeatures],
    refuses: NDArray[np.bool_],
    weights: Values,
    prefixes: float = PREFIX_WEIGHT,
) -> LinearModel:
    """Return the model that L-BFGS fits; the same for the same arguments.

    Args:
        answers: features of answers with at least one sentence.
        refuses: (n,) whether each answer refuses.
        weights: (n,) weight of each answer in the loss.
        prefixes: weight of all beginnings of an answer together against that of the whole.
    """
    whole = _rows(answer.ids for answer in answers)
    counts = np.asarray(whole.sum(0)).ravel()
    kept = counts >= FEWEST_ANSWERS
    rarity = np.where(kept, np.log((1 + len(answers)) / (1 + counts)) + 1, 0.0)
    parts, targets, costs = [whole], [refuses], [weights]
    if prefixes:
        cut = [
            (answer.ids[answer.first < sentence], row, prefixes / (answer.sentences - 1))
            for row, answer in enumerate(answers)
            for sentence in range(1, answer.sentences)
        ]
        if cut:
            rows = np.array([row for _, row, _ in cut])
            parts.append(_rows(ids for ids, _, _ in cut))
            targets.append(refuses[rows])
            costs.append(weights[rows] * np.array([share for _, _, share in cut]))
    columns = np.nonzero(kept)[0]
    scaled = [_normalised(part[:, columns], rarity[columns]) for part in parts]
    found, bias = _logistic(vstack(scaled).tocsr(), np.concatenate(targets), np.concatenate(costs))
    full = np.zeros(BUCKETS)
    full[columns] = found
    return quantise(full, rarity, bias)


def _rows(ids: Iterator[NDArray[np.int64]]) -> csr_matrix:
    """Return a matrix (answers, BUCKETS) of ones at each answer's features."""
    rows = list(ids)
    ends = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return csr_matrix((np.ones(ends[-1]), np.concatenate(rows), ends), shape=(len(rows), BUCKETS))


def _normalised(matrix: csr_matrix, rarity: Values) -> csr_matrix:
    scaled = matrix @ diags(rarity)
    norms = np.sqrt(np.asarray(scaled.multiply(scaled).sum(1)).ravel())
    return diags(1 / np.maximum(norms, 1e-6)) @ scaled


def _logistic(matrix: csr_matrix, refuses: NDArray[np.bool_], costs: Values) -> tuple[Values, float]:
    """Return weights and bias that minimise the weighted logistic loss plus the weights' squared norm."""
    signs = np.where(refuses, 1.0, -1.0)
    transposed = matrix.T.tocsr()

    def loss(point: Values) -> tuple[float, Values]:
        margins = signs * (matrix @ point[:-1] + point[-1])
        slopes = -signs * costs * np.exp(-np.logaddexp(0, margins))
        value = STRENGTH * float((costs * np.logaddexp(0, -margins)).sum()) + 0.5 * float(
            point[:-1] @ point[:-1]
        )
        return value, np.append(STRENGTH * (transposed @ slopes) + point[:-1], STRENGTH * slopes.sum())

    start = np.zeros(matrix.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "maxcor": 6}).x
    return found[:-1], float(found[-1])
