"""The objective `weighted`."""

import pytest

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.objective.base import ReferenceTrials, RelativeScores, Score
from lookahead_ray.objective.weighted import WeightedSum
from lookahead_ray.trial.record import TrialRecord
from tests.objective.contract import ObjectiveContract
from tests.objective.trials import BOTH, SEED, TRIAL, VANILLA, record


class TestContract(ObjectiveContract):
    config = WeightedObjective()


@pytest.mark.parametrize(
    ("trial", "weight", "expected"),
    [
        (SEED, 1.0, 1.0),  # the seed model keeps all of its safety
        (SEED, 0.0, 0.0),  # and has gained nothing
        (SEED, 0.5, 0.5),
        (VANILLA, 1.0, 0.25),
        (VANILLA, 0.0, 1.0),  # vanilla has gained all of its gain
        (VANILLA, 0.5, 0.625),
        (TRIAL, 0.5, 0.5 * 0.75 + 0.5 * 0.75),
        (record(1.0, 1.0, 0.52), 0.5, 0.5 * 1.25 + 0.5 * 1.25),  # both terms may exceed 1
        (record(0.8, 0.8, 0.0), 0.0, -0.05),
    ],
)
def test_known_points(trial: TrialRecord, weight: float, expected: float) -> None:
    found = WeightedSum(WeightedObjective(safety_weight=weight)).score(trial, BOTH)
    assert found.objective == pytest.approx(expected)
    assert (found.objectives, found.constraint) == ((found.objective,), None)


@pytest.mark.parametrize("vanilla_utility", [0.02, 0.01, 0.025])
def test_a_vanilla_that_learned_nothing_counts_as_one_answer(vanilla_utility: float) -> None:
    references = ReferenceTrials(seed=SEED, vanilla=record(0.3, 0.1, vanilla_utility, "vanilla"))
    utility = WeightedSum(WeightedObjective(safety_weight=0.0))
    found = utility.score(record(0.9, 0.7, 0.05), references)
    assert found.objective == pytest.approx(3.0)  # three answers of a hundred, in units of one answer


def test_an_unscorable_trial_has_an_empty_score() -> None:
    assert WeightedSum(WeightedObjective()).score(record(0.5, 0.5, 0.5, status="failed"), BOTH) == Score()


def test_running_trials_are_compared_by_the_weighted_sum() -> None:
    scores = RelativeScores(safety=0.4, safety_kept=0.5, utility_kept=0.9)
    assert WeightedSum(WeightedObjective(safety_weight=0.25)).ranking_values(scores) == (pytest.approx(0.8),)
