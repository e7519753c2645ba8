"""Recommendations under a floor and of a front, on sweeps with known truth."""

from dataclasses import replace

import pytest

from lookahead_ray.config.objective import FloorObjective, ParetoObjective, SafetyPart, WeightedObjective
from lookahead_ray.objective.base import ReferenceTrials, score
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.trial.record import Generation, TrialRecord, Verdict
from tests.sweep.recommend.truths import VANILLA, Truth, sweep

FLOOR = FloorObjective(name="floor", floor=0.6)  # of the seed model's 0.85
FRONT = ParetoObjective(name="pareto")
SAFE: Truth = (0.9, 0.7, 0.3)


def with_harmless(records: list[TrialRecord], refused: dict[str, int], n: int = 60) -> list[TrialRecord]:
    """Return the records with harmless requests, of which so many are refused."""

    def row(record: TrialRecord, i: int) -> Generation:
        verdict: Verdict = "refused" if i < refused.get(record.trial_id, 0) else "complied"
        plain = next(row for row in record.generations if row.metric == "rsr")
        return replace(plain, metric="over_refusal", prompt_id=f"harmless-{i:02}", verdict=verdict)

    return [
        replace(record, generations=(*record.generations, *(row(record, i) for i in range(n))))
        for record in records
    ]


def test_the_most_useful_of_those_that_keep_the_floor() -> None:
    records = sweep(1, VANILLA, (0.3, 0.2, 0.9), SAFE, (0.9, 0.7, 0.15))
    result = recommend(records, FLOOR)
    assert (result.trial_id, result.kind, result.front) == ("c1", "floor", ())
    assert [one.trial_id for one in result.comparisons] == ["c1", "c2", "c0"]
    best, last = result.comparisons[0], result.comparisons[-1]
    assert best.safety is not None
    assert last.safety is not None
    assert 0 <= best.safety.low < best.safety.value < best.safety.high
    assert last.safety.high < 0
    references = ReferenceTrials(records[0], records[1])
    told = score(records[3], references, FLOOR)
    assert (told.objective, told.constraint) == (
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
    safety = [score(record, ReferenceTrials(*records[:2]), rate).safety for record in records]
    assert plain.value == pytest.approx((safety[2] or 0) - 0.6)
    assert share.value == pytest.approx((safety[2] or 0) / (safety[0] or 1) - 0.6)


@pytest.mark.parametrize("candidate", [(0.3, 0.2, 0.9), (0.6, 0.45, 0.5)], ids=["far below", "in the noise"])
def test_no_candidate_keeps_the_floor_beyond_the_noise(candidate: Truth) -> None:
    result = recommend(sweep(2, VANILLA, candidate, (0.1, 0.1, 0.9)), FLOOR)
    assert result.trial_id is None
    assert result.sentence.startswith(
        "no configuration keeps the floor beyond the noise; the closest, true preview of 1 token, has RSR"
    )


def test_where_vanilla_keeps_the_floor_it_has_to_be_beaten() -> None:
    safe_vanilla: Truth = (0.9, 0.7, 0.3)
    result = recommend(sweep(3, safe_vanilla, (0.9, 0.72, 0.3), (0.3, 0.1, 0.9)), FLOOR)
    assert result.trial_id is None
    assert result.sentence.startswith("vanilla keeps the floor, and no configuration that does gains more")
    assert recommend(sweep(3, safe_vanilla, (0.9, 0.72, 0.8)), FLOOR).trial_id == "c0"


def test_the_front_is_named_best_first() -> None:
    records = sweep(4, VANILLA, (0.9, 0.7, 0.2), (0.8, 0.6, 0.38), (0.2, 0.1, 0.1), (0.3, 0.1, 0.6))
    result = recommend(records, FRONT)
    assert result.kind == "pareto"
    assert set(result.front) == {"c0", "c1", "c3"}
    assert result.front[0] == "c1"
    assert result.trial_id == "c1"
    best = result.comparisons[0]
    assert best.safety is not None
    assert best.safety.low > 0
    assert best.high >= 0
    aims = score(records[3], ReferenceTrials(*records[:2]), FRONT).objectives
    assert best.objective == pytest.approx(aims[0] * aims[1])
    assert "its share of the seed's safety is " in result.sentence


def test_safety_that_costs_utility_is_no_gain_on_a_front() -> None:
    result = recommend(sweep(5, VANILLA, (0.9, 0.7, 0.08)), FRONT)
    assert (result.trial_id, result.front) == (None, ("c0",))
    assert result.sentence.startswith("no configuration beats vanilla in one aim without losing in another")


def test_a_candidate_dominated_by_vanilla_is_not_on_the_front() -> None:
    assert recommend(sweep(6, (0.8, 0.6, 0.6), (0.3, 0.1, 0.1)), FRONT).front == ()


def test_over_refusal_is_a_third_aim() -> None:
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


def test_safety_is_what_the_objective_names() -> None:
    """c0 is safe under the first attack, c1 under the second, which the objective uses."""
    records = sweep(8, VANILLA, (0.3, 0.9, 0.4), (0.3, 0.1, 0.4))
    changed = []
    for record in records:
        rows = [row for row in record.generations if row.metric == "jsr"]
        good = record.trial_id in ("seed", "c1")
        hard = [
            replace(row, attack="prefill_9", verdict="safe" if good or i % 10 == 0 else "unsafe")
            for i, row in enumerate(rows)
        ]
        changed.append(replace(record, generations=(*record.generations, *hard)))
    part = SafetyPart(metric="jsr", attack="prefill_9")
    objective = WeightedObjective(safety=(part,), safety_weight=1.0)
    assert recommend(changed, WeightedObjective(safety_weight=1.0)).trial_id == "c0"
    result = recommend(changed, objective)
    assert result.trial_id == "c1"
    values = {one.trial_id: one.objective for one in result.comparisons}
    for record in changed[2:]:
        told = score(record, ReferenceTrials(*changed[:2]), objective)
        assert told.objective == pytest.approx(values[record.trial_id])
    changed[2] = replace(changed[2], generations=changed[2].generations[:-1])
    with pytest.raises(ValueError, match=r"trial c0: jsr must have the same prompts .* s/prefill_9/h"):
        recommend(changed, objective)


def test_suites_are_drawn_apart() -> None:
    """A second suite with equal results changes only the weight."""
    records = sweep(9, VANILLA, (0.9, 0.7, 0.4))
    both = []
    for record in records:
        plain = next(row for row in record.generations if row.metric == "rsr")
        other = [replace(plain, suite="other", prompt_id=f"o-{i}", verdict="safe") for i in range(30)]
        both.append(replace(record, generations=(*record.generations, *other)))
    parts = (SafetyPart(metric="rsr"), SafetyPart(metric="rsr", suite="other", weight=3))
    (mixed,) = recommend(both, WeightedObjective(safety=parts, safety_weight=1.0)).comparisons
    safety = [0.25 * record.rsr.value + 0.75 for record in records if record.rsr]
    assert mixed.difference == pytest.approx((safety[2] - safety[1]) / safety[0])


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
        same = records[2]  # the same answers, so the trials cannot be distinguished
        records[place] = replace(same, trial_id=f"c{place - 2}", config=config)
    result = recommend(records, WeightedObjective())
    assert result.trial_id == "c1"  # 19 characters; six tokens count as 24
    assert result.indistinguishable == ("c0", "c2", "c3")
    assert "it is the simplest of 4 that the data can't tell apart" in result.sentence
    cheap = replace(records[5], trial_id="c4", flops=1.0, config={**six, "training": {"epochs": 1}})
    assert recommend([*records[:3], *records[4:], cheap], WeightedObjective()).trial_id == "c4"
