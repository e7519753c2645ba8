"""The recommendation on sweeps with known truth."""

import math
import time
from dataclasses import replace
from typing import Any

import pytest

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.judgement import relative_scores
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.stats.mcnemar import mcnemar
from lookahead_ray.sweep.recommend.bootstrap import counted_verdicts, resample
from lookahead_ray.sweep.recommend.candidates import Candidate
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.trial.record import Rate, Verdict
from tests.sweep.recommend.truths import HALF, VANILLA, Sweep, Truth, sweep


def test_the_truly_better_candidate_is_recommended() -> None:
    records = sweep(1, VANILLA, (0.3, 0.1, 0.4), (0.85, 0.6, 0.38), (0.4, 0.1, 0.1))
    result = recommend(records, HALF)
    assert result.trial_id == "c1"
    assert [comparison.trial_id for comparison in result.comparisons] == ["c1", "c0", "c2"]
    best = result.comparisons[0]
    assert 0 < best.low < best.difference < best.high
    assert best.rsr_p_value < 0.001
    assert result.indistinguishable == ()
    assert result.sentence.startswith("true preview of 2 tokens keeps RSR ")
    for part in (
        f"its objective is {best.difference:.2f} above vanilla's",
        f"(95 % interval {best.low:.2f} to {best.high:.2f}, adjusted for 3 candidates)",
        f"RSR {records[3].rsr.value:.0%}".replace("%", " %") if records[3].rsr else "",
        "p < 0.001",
    ):
        assert part in result.sentence


def test_the_sentence_says_over_refusal_where_both_models_have_it() -> None:
    records = sweep(1, (0.3, 0.3, 0.5), (0.9, 0.9, 0.6))
    plain = recommend(records, HALF).sentence
    assert "over-refusal" not in plain
    refused = [replace(one, over_refusal=Rate(0.2, 0.1, 0.3, 50, 0)) for one in records]
    text = " and over-refusal 20 % (vanilla 20 %);"
    assert recommend(refused, HALF).sentence == plain.replace(";", text, 1)


def test_figures_are_those_of_the_objective_and_of_mcnemar() -> None:
    records = sweep(2, VANILLA, (0.7, 0.5, 0.35), (0.5, 0.2, 0.4))
    references = ReferenceTrials(records[0], records[1])
    objective = make_objective(HALF)
    vanilla = objective.score(records[1], references).objective
    assert vanilla is not None
    for comparison in recommend(records, HALF).comparisons:
        record = next(record for record in records if record.trial_id == comparison.trial_id)
        value = objective.score(record, references).objective
        assert value is not None
        assert comparison.objective == pytest.approx(value)
        assert comparison.difference == pytest.approx(value - vanilla)
        for metric, p_value in (("rsr", comparison.rsr_p_value), ("jsr", comparison.jsr_p_value)):
            pair = [counted_verdicts(trial, metric) for trial in (record, records[1])]  # type: ignore[arg-type]
            assert p_value == mcnemar(pair[0], pair[1]).p_value


def test_equal_candidates_are_reported_as_indistinguishable() -> None:
    truth = (0.8, 0.6, 0.38)
    safety = WeightedObjective(safety_weight=0.8)
    together = 0
    for seed in range(20, 40):
        result = recommend(sweep(seed, VANILLA, truth, truth, (0.5, 0.1, 0.1)), safety, resamples=400)
        assert result.trial_id in {"c0", "c1"}
        assert "c2" not in result.indistinguishable
        together += {"c0", "c1"} == {result.trial_id, *result.indistinguishable}
    assert together >= 17  # of 20; 19 expected


def test_the_weight_decides() -> None:
    records = sweep(4, (0.3, 0.1, 0.3), (0.9, 0.7, 0.1), (0.3, 0.1, 0.8))
    assert recommend(records, WeightedObjective(safety_weight=1.0)).trial_id == "c0"
    assert recommend(records, WeightedObjective(safety_weight=0.0)).trial_id == "c1"


def test_no_better_candidate_no_recommendation_but_the_closest() -> None:
    result = recommend(sweep(5, VANILLA, (0.3, 0.1, 0.05), (0.3, 0.1, 0.38)), HALF)
    assert result.trial_id is None
    assert result.indistinguishable == ()
    assert len(result.comparisons) == 2
    assert result.sentence.startswith(
        "no candidate beats vanilla beyond the noise; the closest, true preview of 2"
    )


def test_the_simplest_of_equals_is_preferred() -> None:
    truth: Truth = (0.8, 0.6, 0.38)
    records = sweep(10, VANILLA, *[truth] * 4)
    twelve, prefix, mixed, six = (
        {"preview": {"strategy": "true", "length_tokens": 12}},
        {"preview": {"strategy": "virtual", "prefix": "So, let's see now. "}},
        {"preview": {"strategy": "true", "length_tokens": 1}, "defence": {"mix": {"share": 0.1}}},
        {"preview": {"strategy": "true", "length_tokens": 6}},
    )
    for place, config in enumerate((twelve, prefix, mixed, six), start=2):
        same = records[2].with_measured(flops=2.0)  # the same answers, so the trials cannot be distinguished
        records[place] = replace(same, trial_id=f"c{place - 2}", config=config)
    result = recommend(records, WeightedObjective())
    assert result.trial_id == "c1"  # 19 characters; six tokens count as 24
    assert result.indistinguishable == ("c0", "c2", "c3")
    assert "it is the simplest of 4 that the data can't distinguish in " in result.sentence
    cheap = replace(records[5], trial_id="c4", config={**six, "training": {"epochs": 1}})
    cheap = cheap.with_measured(flops=1.0)
    assert recommend([*records[:3], *records[4:], cheap], WeightedObjective()).trial_id == "c4"


def test_of_the_points_of_a_training_the_best_is_recommended() -> None:
    records = sweep(10, VANILLA, (0.95, 0.8, 0.36), (0.95, 0.8, 0.38))
    config = {"preview": {"strategy": "true", "length_tokens": 2}}
    points = [
        replace(records[2].with_measured(flops=2.0), config=config, training_id="c0"),
        replace(
            records[3].with_measured(flops=0.0),
            trial_id="c0.2",
            config={**config, "merge": {"name": "linear", "share": 0.8}},
            training_id="c0",
        ),
    ]
    result = recommend([*records[:2], *points], WeightedObjective())
    assert (result.trial_id, result.indistinguishable) == ("c0.2", ("c0",))
    layers = {"name": "layers", "share": 0.8, "threshold": 0.7, "base_path": "base"}
    points[1] = replace(points[1], config={**config, "merge": layers})
    assert recommend([*records[:2], *points], WeightedObjective()).trial_id == "c0"


def test_a_further_point_costs_its_training_though_the_first_point_is_partial() -> None:
    truth: Truth = (0.8, 0.6, 0.38)
    records = sweep(10, VANILLA, truth, truth)
    same = replace(records[2], training_id="c0")
    first = replace(same.with_measured(flops=9.0), status="partial", objectives=())
    further = replace(same.with_measured(flops=0.0), trial_id="c0.2")
    cheap = replace(same.with_measured(flops=2.0), trial_id="c1", training_id="c1")
    assert recommend([*records[:2], first, further], HALF).trial_id == "c0.2"
    cheap = replace(cheap, config={**cheap.config, "training": {"epochs": 1}})
    result = recommend([*records[:2], first, further, cheap], HALF)
    assert (result.trial_id, result.indistinguishable) == ("c1", ("c0.2",))


def test_a_partial_trial_is_no_candidate() -> None:
    records = sweep(10, VANILLA, (0.8, 0.6, 0.38), (0.9, 0.7, 0.39))
    partial = replace(records[3], status="partial")
    result = recommend([*records[:3], partial], HALF)
    assert [comparison.trial_id for comparison in result.comparisons] == ["c0"]
    assert "not compared" not in result.sentence


def test_the_method_of_a_candidate_is_named() -> None:
    records = sweep(6, VANILLA)
    method = {**records[1].config, "preview": {"strategy": "none"}, "method": {"name": "sdft"}}
    result = recommend([*records, replace(records[1], trial_id="s", role="search", config=method)], HALF)
    assert "the closest, no preview (sdft), trial s, has RSR" in result.sentence


def test_a_worse_candidate_is_said_to_be_below() -> None:
    result = recommend(sweep(5, VANILLA, (0.1, 0.02, 0.1)), HALF)
    assert "below vanilla's (95 % interval −" in result.sentence
    assert "adjusted" not in result.sentence  # a single candidate


def test_identical_answers_do_not_beat_vanilla() -> None:
    records = sweep(6, VANILLA)
    twin = replace(records[1], trial_id="twin", role="search")
    result = recommend([*records, twin], HALF)
    assert result.trial_id is None
    assert result.comparisons[0].difference == 0
    assert result.comparisons[0].rsr_p_value == 1


@pytest.mark.parametrize("prompts", [1, 2])
def test_one_or_two_prompts_are_not_significant(prompts: int) -> None:
    records = sweep(7, (0.0, 0.0, 1.0), (1.0, 1.0, 1.0), harmful=prompts, task=prompts)
    seed = replace(records[2], trial_id="seed", role="seed")
    assert recommend([seed, *records[1:]], HALF).trial_id is None


def test_the_same_seed_gives_the_same_recommendation() -> None:
    records = sweep(8, VANILLA, (0.5, 0.3, 0.4), (0.6, 0.2, 0.35))
    assert recommend(records, HALF, seed=3) == recommend(records, HALF, seed=3)
    assert recommend(records, HALF, seed=3) != recommend(records, HALF, seed=4)


def test_only_completed_search_trials_are_candidates() -> None:
    records = sweep(9, VANILLA, (0.9, 0.7, 0.4), (0.8, 0.6, 0.4), (0.7, 0.5, 0.4))
    records[2] = replace(records[2], status="stopped")
    records[3] = replace(records[3], role="evaluate")
    result = recommend(records, HALF)
    assert [comparison.trial_id for comparison in result.comparisons] == ["c2"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seed": None}, "the seed model's trial is missing"),
        ({"vanilla": None}, "the vanilla trial is missing"),
        ({"vanilla": {"status": "failed"}}, "the vanilla trial was not evaluated in full (failed)"),
        ({"seed": {"utility": None}}, "the seed model's trial was not evaluated in full (completed)"),
        ({"c0": {"status": "failed"}}, "no search trial was completed"),
        ({"c0": None}, "no search trial was completed"),
    ],
)
def test_reasons_for_no_recommendation(change: dict[str, Any], why: str) -> None:
    records = [
        replace(record, **(change.get(record.trial_id) or {}))
        for record in sweep(10, VANILLA, (0.9, 0.7, 0.4))
        if change.get(record.trial_id, {}) is not None
    ]
    result = recommend(records, HALF)
    assert (result.trial_id, result.comparisons, result.indistinguishable) == (None, (), ())
    assert why in result.sentence


def test_a_seed_that_is_never_safe() -> None:
    made = Sweep(11)
    made.add("seed", (0.0, 0.0, 0.1), "seed")
    made.add("vanilla", VANILLA, "vanilla")
    made.add("c0", (0.9, 0.9, 0.9))
    assert "never safe" in recommend(made.trials, HALF).sentence


def test_an_empty_sweep() -> None:
    assert recommend([], HALF).trial_id is None


def test_other_prompts_are_named() -> None:
    records = sweep(12, VANILLA, (0.9, 0.7, 0.4))
    records[2] = records[2].with_measured(generations=records[2].generations[1:])
    with pytest.raises(ValueError, match=r"trial c0: rsr must have the same prompts .* s/none/harmful-000"):
        recommend(records, HALF)


@pytest.mark.parametrize(
    "objective",
    [WeightedObjective(), FloorObjective(name="floor", floor=0.5), ParetoObjective(name="pareto")],
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_bad_record_takes_no_recommendation_away(objective: Objective, value: float) -> None:
    records = sweep(1, VANILLA, (0.3, 0.1, 0.4), (0.85, 0.6, 0.38), (0.4, 0.1, 0.1))
    expected = recommend(records, objective)
    assert expected.trial_id == "c1"
    rows = tuple(
        replace(row, verdict="scored", score=value) if row.metric == "utility" else row
        for row in records[3].generations
    )
    bad = replace(records[3], trial_id="bad", utility=Rate(value, 0, 1, 100, 0)).with_measured(
        generations=rows
    )
    found = recommend([*records, bad], objective)
    assert found.sentence == (
        f"{expected.sentence}; not compared: bad, which has a rate that is not a finite number"
    )
    assert replace(found, sentence=expected.sentence) == expected
    assert make_objective(objective).score(bad, ReferenceTrials(*records[:2])).objectives == ()
    of_seed = recommend([replace(records[0], utility=bad.utility), *records[1:]], objective)
    assert "the seed model's trial has a rate that is not a finite number" in of_seed.sentence


def test_rsr_and_jsr_of_a_prompt_are_resampled_together() -> None:
    """If JSR is right exactly when RSR is wrong, safety does not vary, however prompts are drawn."""
    records = sweep(13, VANILLA, (0.5, 0.5, 0.4))
    flipped: dict[Verdict, Verdict] = {"safe": "unsafe", "unsafe": "safe"}
    for i, record in enumerate(records):
        rsr = {row.prompt_id: row.verdict for row in record.generations if row.metric == "rsr"}
        rows = tuple(
            replace(row, verdict=flipped[rsr[row.prompt_id]]) if row.metric == "jsr" else row
            for row in record.generations
        )
        records[i] = record.with_measured(generations=rows)
    models = [Candidate((record,)) for record in records]
    values = relative_scores(resample(models, HALF.safety, seed=0, resamples=50))
    assert values.safety_kept.resampled == pytest.approx(1.0)


def false_positives(vanilla: Truth, sweeps: int, candidates: int) -> float:
    """Return the share of sweeps with a recommendation when all candidates have vanilla's true rates."""
    found = 0
    for seed in range(1000, 1000 + sweeps):
        records = sweep(seed, vanilla, *[vanilla] * candidates, harmful=60, task=60)
        found += recommend(records, HALF, resamples=400).trial_id is not None
    return found / sweeps


@pytest.mark.parametrize(
    "vanilla",
    [VANILLA, (0.3, 0.1, 0.05), (0.9, 0.7, 0.1)],
    ids=["usual", "vanilla learned nothing", "vanilla kept its safety"],
)
def test_noise_is_seldom_taken_for_a_gain(vanilla: Truth) -> None:
    assert false_positives(vanilla, sweeps=50, candidates=6) <= 0.07


def test_the_intervals_cover_all_true_differences_at_once() -> None:
    """The truth is estimated from a sweep with very many prompts."""
    truths: tuple[Truth, ...] = ((0.6, 0.4, 0.3), (0.8, 0.5, 0.2), VANILLA)
    large = recommend(sweep(14, VANILLA, *truths, harmful=4000, task=4000), HALF, resamples=10)
    true = {comparison.trial_id: comparison.difference for comparison in large.comparisons}
    covered = 0
    for seed in range(2000, 2040):
        compared = recommend(sweep(seed, VANILLA, *truths), HALF, resamples=400).comparisons
        covered += all(one.low <= true[one.trial_id] <= one.high for one in compared)
    assert covered >= 35  # of 40; 38 expected


def test_twenty_candidates_take_a_second_or_two() -> None:
    records = sweep(15, VANILLA, *[(0.5, 0.3, 0.4)] * 20, harmful=160, task=200)
    start = time.process_time()
    recommend(records, HALF)
    assert time.process_time() - start < 4
