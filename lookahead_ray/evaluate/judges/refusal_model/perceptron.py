"""A perceptron with one hidden layer over the concepts of an answer, with a score after each sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lookahead_ray.evaluate.judges.refusal_model.concept_inputs import Inputs
from lookahead_ray.evaluate.judges.refusal_model.features import SENTENCES_READ

HIDDEN = 64
BATCH = 128
DECAY = 0.05
"""Share of a weight that is taken off for each unit of the learning rate."""

BEGINNING_WEIGHT = 0.3
"""Weight of an answer's beginning, up to a random sentence, against that of the whole answer."""

_MOMENTS = (0.9, 0.999)


@dataclass(frozen=True)
class Training:
    """How a perceptron is trained: the more is dropped, the less it relies on single concepts."""

    epochs: int
    rate: float
    dropped_inputs: float  # share of the inputs
    dropped_units: float  # share of the hidden layer


@dataclass(frozen=True, eq=False)
class Perceptron:
    """The weights: score = output · max(0, hidden · inputs + hidden_bias) + output_bias."""

    hidden: Inputs  # (inputs, HIDDEN)
    hidden_bias: Inputs  # (HIDDEN,)
    output: Inputs  # (HIDDEN,)
    output_bias: Inputs  # (1,)

    @classmethod
    def unpack(cls, tensors: Mapping[str, NDArray[np.float16]], name: str) -> Self:
        """Return the perceptron with this name from the tensors of a file."""
        return cls(*(tensors[f"{name}_{field.name}"].astype(np.float32) for field in fields(cls)))

    def pack(self, name: str) -> dict[str, NDArray[np.float16]]:
        """Return the tensors that are written to a file, in 16 bits, under this name."""
        return {
            f"{name}_{field.name}": getattr(self, field.name).astype(np.float16) for field in fields(self)
        }

    def scores(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return the log-odds of a refusal after each sentence: (sentences,), for at most `SENTENCES_READ`.

        A sentence's score is the same whatever follows. As a product's last bits depend on its shape, the
        rows are filled up to always the same number.
        """
        rows = np.zeros((SENTENCES_READ, inputs.shape[1]), np.float32)
        rows[: len(inputs)] = inputs
        units = np.maximum(rows @ self.hidden + self.hidden_bias, 0)
        scores: NDArray[np.float64] = (units @ self.output + self.output_bias[0]).astype(np.float64)
        return scores[: len(inputs)]


def fit_perceptron(
    inputs: Sequence[Inputs], refuses: NDArray[np.bool_], weights: NDArray[np.float64], training: Training
) -> Perceptron:
    """Return the perceptron that Adam fits; the same for the same arguments.

    Args:
        inputs: of each answer, (its sentences, inputs).
        refuses: (n,) whether each answer refuses.
        weights: (n,) weight of each answer in the loss.
    """
    random = np.random.default_rng(0)
    rows = np.concatenate(inputs)
    lasts = np.cumsum([len(each) for each in inputs]) - 1
    sizes = np.diff(lasts, prepend=-1)
    width = rows.shape[1]
    values = [
        random.normal(0, width**-0.5, (width, HIDDEN)).astype(np.float32),
        np.zeros(HIDDEN, np.float32),
        random.normal(0, HIDDEN**-0.5, HIDDEN).astype(np.float32),
        np.zeros(1, np.float32),
    ]
    means = [np.zeros_like(value) for value in values]
    squares = [np.zeros_like(value) for value in values]
    several = np.nonzero(sizes > 1)[0]
    steps = 0
    for _ in range(training.epochs):
        begun = lasts[several] - random.integers(1, sizes[several])
        places = np.concatenate([lasts, begun])
        answers = np.concatenate([np.arange(len(lasts)), several])
        costs = np.concatenate([weights, BEGINNING_WEIGHT * weights[several]])
        for batch in np.array_split(random.permutation(len(places)), max(len(places) // BATCH, 1)):
            steps += 1
            cost = costs[batch].astype(np.float32)
            gradients = _gradients(
                values, rows[places[batch]], refuses[answers[batch]], cost, training, random
            )
            for value, mean, square, gradient in zip(values, means, squares, gradients, strict=True):
                mean += (1 - _MOMENTS[0]) * (gradient - mean)
                square += (1 - _MOMENTS[1]) * (gradient * gradient - square)
                value *= 1 - training.rate * DECAY
                value -= (
                    training.rate
                    * (mean / (1 - _MOMENTS[0] ** steps))
                    / (np.sqrt(square / (1 - _MOMENTS[1] ** steps)) + 1e-8)
                )
    return Perceptron(*values)


def _gradients(
    values: Sequence[Inputs],
    inputs: Inputs,
    refuses: NDArray[np.bool_],
    costs: Inputs,
    training: Training,
    random: np.random.Generator,
) -> list[Inputs]:
    """Return the gradients of the weighted logistic loss of some rows, with inputs and units dropped."""
    hidden, hidden_bias, output, output_bias = values
    seen = inputs * _keep(inputs.shape, training.dropped_inputs, random)
    active = seen @ hidden + hidden_bias
    kept = (active > 0) * _keep(active.shape, training.dropped_units, random)
    units = active * kept
    score = units @ output + output_bias[0]
    slope = costs * (1 / (1 + np.exp(-np.clip(score, -30, 30))) - refuses) / len(inputs)
    back = slope[:, None] * output * kept
    return [seen.T @ back, back.sum(0), units.T @ slope, slope.sum(keepdims=True)]


def _keep(shape: tuple[int, ...], dropped: float, random: np.random.Generator) -> Inputs:
    """Return factors of 0 for the share that is dropped, and more than 1 for the others."""
    kept: Inputs = (random.random(shape, np.float32) >= dropped).astype(np.float32) / np.float32(1 - dropped)
    return kept
