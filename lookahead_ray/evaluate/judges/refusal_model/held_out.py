"""Accuracy of the classifier on groups of answers, such as a style or a language, that training left out."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lookahead_ray.evaluate.judges.refusal_model.answers import LabelledAnswer
from lookahead_ray.evaluate.judges.refusal_model.concept_inputs import extract_inputs
from lookahead_ray.evaluate.judges.refusal_model.concepts import ConceptDictionary
from lookahead_ray.evaluate.judges.refusal_model.fit import ReadAnswer, fit_answers

FOLDS = 8
"""Number of trainings; each leaves out an eighth of the groups."""


@dataclass(frozen=True)
class GroupAccuracy:
    """The classifier's accuracy on a group that it was not trained on."""

    group: str
    n: int
    right: int
    unknown: int  # answers in a language that training did not see, which get no verdict; not right

    @property
    def share(self) -> float:
        """Return the share of right answers, 0..1."""
        return self.right / self.n


@dataclass
class _Counts:
    n: int = 0
    right: int = 0
    unknown: int = 0


def measure_held_out(
    answers: Sequence[ReadAnswer],
    dictionaries: Sequence[Callable[[Collection[str]], ConceptDictionary]],
    group_of: Callable[[LabelledAnswer], str],
) -> list[tuple[list[GroupAccuracy], list[GroupAccuracy]]]:
    """Return for each dictionary the accuracy on each group's refusals and compliances, the worst first.

    Each group is judged by a model that was trained without it.

    Args:
        dictionaries: each returns the dictionary that answers of the groups that are left out are read with;
            the first one's for no groups is that of `answers`.
        group_of: group of an answer; fragments belong to none, unless their group is left out.
    """
    groups = sorted({group_of(each.answer) for each in answers if not each.answer.is_fragment})
    np.random.default_rng(0).shuffle(groups)
    found: list[tuple[dict[str, _Counts], dict[str, _Counts]]] = [({}, {}) for _ in dictionaries]
    whole = dictionaries[0](())
    for fold in range(min(FOLDS, len(groups))):
        left_out = set(groups[fold::FOLDS])
        model = fit_answers([each for each in answers if group_of(each.answer) not in left_out], whole)
        measured = [
            each for each in answers if group_of(each.answer) in left_out and not each.answer.is_fragment
        ]
        for make_dictionary, counts_of in zip(dictionaries, found, strict=True):
            dictionary = make_dictionary(left_out)
            for each in measured:
                inputs = (
                    each.inputs
                    if dictionary is whole
                    else extract_inputs(each.features, each.answer.request, dictionary)
                )
                reading = model.read(each.features, inputs=inputs)
                refuses, known = each.answer.refuses, bool(reading.known[-1])
                counts = counts_of[not refuses].setdefault(group_of(each.answer), _Counts())
                counts.n += 1
                counts.unknown += not known
                counts.right += known and (reading.scores[-1] > 0) == refuses
    return [(_sorted(refusals), _sorted(compliances)) for refusals, compliances in found]


def _sorted(counts_of: dict[str, _Counts]) -> list[GroupAccuracy]:
    accuracies = [
        GroupAccuracy(group, counts.n, counts.right, counts.unknown) for group, counts in counts_of.items()
    ]
    return sorted(accuracies, key=lambda accuracy: (accuracy.share, accuracy.group))
