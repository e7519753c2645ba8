"""The objective `floor`: its contract, its values, and recommendations on sweeps with known truth."""

import pytest
from pydantic import ValidationError

from lookahead_ray.config.objective import FloorObjective
from lookahead_ray.objective.base import ReferenceTrials, RelativeScores, Score
from lookahead_ray.objective.floor import BELOW_ALL, SafetyFloor
from lookahead_ray.sweep.recommend.recommend import recommend
from tests.objective.contract import ObjectiveContract
from tests.objective.trials import BOTH, TRIAL
from tests.sweep.recommend.truths import VANILLA, Truth, sweep

FLOOR = FloorObjective(name="floor", floor=0.6)  # of the seed model's 0.85
SAFE: Truth = (0.9, 0.7, 0.3)


class TestContractOfAShare(ObjectiveContract):
    config = FloorObjective(name="floor", floor=0.6)


class TestContractOfARate(ObjectiveContract):
    config = FloorObjective(name="floor", floor=0.5, relative_to="none")


def test_a_floor_that_no_rate_can_reach_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"floor must be a rate in 0\.\.1 with .*none, got 90"):
        FloorObjective(name="floor", floor=90, relative_to="none")
    assert FloorObjective(name="floor", floor=1.05).floor == 1.05  # a share of the seed model's safety


@pytest.mark.parametrize(("relative_to", "constraint"), [("seed", -0.05), ("none", 0.1)])
def test_the_constraint_is_relative_to_the_seed_model_or_a_rate(relative_to: str, constraint: float) -> None:
    config = FloorObjective.model_validate({"name": "floor", "floor": 0.7, "relative_to": relative_to})
    found = SafetyFloor(config).score(TRIAL, BOTH)
    assert found.constraint == pytest.approx(constraint)
    assert found == Score(pytest.approx(0.75), (pytest.approx(0.75),), found.constraint, pytest.approx(0.6))


def test_running_trials_are_compared_by_safety_below_the_floor_and_by_utility_above_it() -> None:
    rank = SafetyFloor(FLOOR).ranking_values
    kept, more, lost = (
        rank(RelativeScores(0.8 * share, share, utility))
        for share, utility in ((0.7, 0.2), (0.65, 0.4), (0.5, 0.9))
    )
    assert kept == (0.2,)
    assert more > kept > lost
    assert lost == (pytest.approx(-0.1 - BELOW_ALL),)


def test_running_trials_are_compared_by_their_rate_if_the_floor_is_a_rate() -> None:
    floor = SafetyFloor(FloorObjective(name="floor", floor=0.6, relative_to="none"))
    assert floor.ranking_values(RelativeScores(0.56, 0.7, 0.2))[0] < 0


def test_the_minimum_safety_of_a_share_needs_the_seed_models_safety() -> None:
    assert SafetyFloor(FLOOR).minimum_safety(0.8) == pytest.approx(0.48)
    assert SafetyFloor(FLOOR).minimum_safety(None) is None
    rate = SafetyFloor(FloorObjective(name="floor", floor=0.5, relative_to="none"))
    assert rate.minimum_safety(None) == 0.5


def test_the_most_useful_of_those_that_keep_the_floor() -> None:
    records = sweep(1, VANILLA, (0.3, 0.2, 0.9), SAFE, (0.9, 0.7, 0.15))
    result = recommend(records, FLOOR)
    assert (result.trial_id, result.columns, result.front) == ("c1", SafetyFloor.columns, ())
    assert [one.trial_id for one in result.comparisons] == ["c1", "c2", "c0"]
    best, last = result.comparisons[0], result.comparisons[-1]
    assert best.safety is not None
    assert last.safety is not None
    assert 0 <= best.safety.low < best.safety.value < best.safety.high
    assert last.safety.high < 0
    score = SafetyFloor(FLOOR).score(records[3], ReferenceTrials(records[0], records[1]))
    assert (score.objective, score.constraint) == (
        pytest.approx(best.objective),
        pytest.approx(-best.safety.value),
    )
    assert "above the floor of 0.60 (95 % interval " in result.sentence
    assert "its share of vanilla's gain " in result.sentence


def test_a_floor_that_is_a_rate() -> None:
    records = sweep(1, VANILLA, SAFE)
    rate = FloorObjective(name="floor", floor=0.6, relative_to="none")
    share = recommend(records, FLOOR).comparisons[0].safety
    plain = recommend(records, rate).comparisons[0].safety
    assert share is not None
    assert plain is not None
    references = ReferenceTrials(records[0], records[1])
    safety = [SafetyFloor(rate).score(record, references).safety for record in records]
    assert plain.value == pytest.approx((safety[2] or 0) - 0.6)
    assert share.value == pytest.approx((safety[2] or 0) / (safety[0] or 1) - 0.6)


@pytest.mark.parametrize("candidate", [(0.3, 0.2, 0.9), (0.6, 0.45, 0.5)], ids=["far below", "in the noise"])
def test_no_candidate_keeps_the_floor_beyond_the_noise(candidate: Truth) -> None:
    result = recommend(sweep(2, VANILLA, candidate, (0.1, 0.1, 0.9)), FLOOR)
    assert result.trial_id is None
    assert result.sentence.startswith(
        "no configuration keeps the floor beyond the noise; the closest, true preview of 1 token, trial c0, "
        "has RSR"
    )


def test_where_vanilla_keeps_the_floor_it_has_to_be_beaten() -> None:
    safe_vanilla: Truth = (0.9, 0.7, 0.3)
    result = recommend(sweep(3, safe_vanilla, (0.9, 0.72, 0.3), (0.3, 0.1, 0.9)), FLOOR)
    assert result.trial_id is None
    assert result.sentence.startswith("vanilla keeps the floor, and no configuration that does gains more")
    assert recommend(sweep(3, safe_vanilla, (0.9, 0.72, 0.8)), FLOOR).trial_id == "c0"
