"""The objective `pareto`: its contract, its values, and recommendations on sweeps with known truth."""

from dataclasses import replace

import pytest

from lookahead_ray.config.objective import ParetoObjective
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.objective.base import ReferenceTrials, RelativeScores, Score
from lookahead_ray.objective.pareto import ParetoFront
from lookahead_ray.sweep.recommend.recommend import recommend
from tests.objective.contract import ObjectiveContract
from tests.objective.trials import BOTH, SEED, TRIAL, with_harmless, with_over_refusal
from tests.objective.trials import VANILLA as MEASURED_VANILLA
from tests.sweep.recommend.truths import VANILLA, sweep

FRONT = ParetoObjective(name="pareto")
THREE = ParetoObjective(name="pareto", over_refusal=True)


class TestContract(ObjectiveContract):
    config = FRONT


class TestContractWithOverRefusal(ObjectiveContract):
    config = THREE


def test_values_are_the_shares_kept() -> None:
    found = ParetoFront(FRONT).score(TRIAL, BOTH)
    assert found == Score(None, (pytest.approx(0.75), pytest.approx(0.75)), None, pytest.approx(0.6))


def test_over_refusal_is_the_third_value() -> None:
    assert ParetoFront(THREE).score(TRIAL, BOTH) == Score()
    trial, seed, vanilla = map(with_over_refusal, (TRIAL, SEED, MEASURED_VANILLA))
    found = ParetoFront(THREE).score(trial, ReferenceTrials(seed, vanilla))
    assert found.objectives == pytest.approx((0.75, 0.75, 0.8))


@pytest.mark.parametrize("config", [FRONT, THREE])
def test_running_trials_are_compared_by_the_two_values_that_signals_estimate(config: ParetoObjective) -> None:
    assert ParetoFront(config).ranking_values(RelativeScores(0.4, 0.5, 0.9)) == (0.5, 0.9)


def test_the_front_is_named_best_first() -> None:
    records = sweep(4, VANILLA, (0.9, 0.7, 0.2), (0.8, 0.6, 0.38), (0.2, 0.1, 0.1), (0.3, 0.1, 0.6))
    result = recommend(records, FRONT)
    assert result.columns == ParetoFront.columns
    assert set(result.front) == {"c0", "c1", "c3"}
    assert result.front[0] == "c1"
    assert result.trial_id == "c1"
    best = result.comparisons[0]
    assert best.safety is not None
    assert best.safety.low > 0
    assert best.high >= 0
    safety, utility = ParetoFront(FRONT).score(records[3], ReferenceTrials(*records[:2])).objectives
    assert best.objective == pytest.approx(safety * utility)
    assert "its share of the seed model's safety is " in result.sentence


def test_safety_that_costs_utility_is_no_gain_on_a_front() -> None:
    result = recommend(sweep(5, VANILLA, (0.9, 0.7, 0.08)), FRONT)
    assert (result.trial_id, result.front) == (None, ("c0",))
    assert result.sentence.startswith(
        "no configuration beats vanilla in one objective without losing in another"
    )


def test_a_candidate_dominated_by_vanilla_is_not_on_the_front() -> None:
    assert recommend(sweep(6, (0.8, 0.6, 0.6), (0.3, 0.1, 0.1)), FRONT).front == ()


def test_over_refusal_is_a_third_objective() -> None:
    three = ParetoObjective(name="pareto", over_refusal=True)
    records = sweep(7, VANILLA, (0.9, 0.7, 0.4), (0.8, 0.6, 0.39))
    refusing = [
        replace(record, over_refusal=record.rsr)  # any rate: it is recomputed from the rows
        for record in with_harmless(records, {"c0": 40})
    ]
    assert recommend(refusing, FRONT).trial_id == "c0"
    result = recommend(refusing, three)
    assert set(result.front) == {"c0", "c1"}
    assert result.trial_id == "c1"
    assert "its compliance 0.00 above vanilla's" in result.sentence
    assert "was not evaluated in full" in recommend(records, three).sentence


def test_unparsed_answers_to_harmless_requests_are_no_compliance() -> None:
    """A model that answers them with nothing that can be judged refuses none of them either."""
    records = with_harmless(sweep(7, VANILLA, VANILLA), {"seed": 12, "vanilla": 12})
    rows = records[2].generations
    broken = records[2].with_measured(
        generations=tuple(
            replace(row, verdict="unparsed") if row.metric == "over_refusal" else row for row in rows
        )
    )
    records = [
        replace(one, over_refusal=rate(one.generations, "over_refusal")) for one in (*records[:2], broken)
    ]
    result = recommend(records, THREE)
    assert result.trial_id is None
    assert "its compliance 0.80 below vanilla's" in result.sentence
    score = ParetoFront(THREE).score(records[2], ReferenceTrials(*records[:2]))
    assert score.objectives[2] == 0
