"""Accuracy of the classifier on groups of answers, such as a style or a language, that training left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lookahead_ray.evaluate.judges.refusal_model.answers import LabelledAnswer
from lookahead_ray.evaluate.judges.refusal_model.features import AnswerFeatures
from lookahead_ray.evaluate.judges.refusal_model.fit import fit_answers
from lookahead_ray.evaluate.judges.refusal_model.linear import LEAST_KNOWN

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


def measure_held_out(
    answers: Sequence[LabelledAnswer],
    features: Sequence[AnswerFeatures],
    group_of: Callable[[LabelledAnswer], str],
    counts: Callable[[LabelledAnswer], bool] = lambda answer: True,
) -> list[GroupAccuracy]:
    """Return the accuracy on each group, the worst first, each by a model trained without that group.

    Args:
        features: of `answers`.
        group_of: group of an answer; fragments belong to none, unless their group is left out.
        counts: whether an answer is measured.
    """
    groups = sorted({group_of(answer) for answer in answers if not answer.is_fragment})
    np.random.default_rng(0).shuffle(groups)
    found_right: dict[str, list[bool]] = {}
    found_unknown: dict[str, list[bool]] = {}
    for fold in range(min(FOLDS, len(groups))):
        left_out = set(groups[fold::FOLDS])
        kept = [index for index, answer in enumerate(answers) if group_of(answer) not in left_out]
        model = fit_answers([answers[index] for index in kept], [features[index] for index in kept])
        for answer, found in zip(answers, features, strict=True):
            group = group_of(answer)
            if group in left_out and not answer.is_fragment and counts(answer):
                unknown = bool(model.known(found)[-1] < LEAST_KNOWN)
                right = not unknown and (model.scores(found)[-1] > 0) == answer.refuses
                found_right.setdefault(group, []).append(right)
                found_unknown.setdefault(group, []).append(unknown)
    accuracies = [
        GroupAccuracy(group, len(each), sum(each), sum(found_unknown[group]))
        for group, each in found_right.items()
    ]
    return sorted(accuracies, key=lambda accuracy: (accuracy.share, accuracy.group))
