"""The rates that are resampled: those that the objective names, with prompts drawn per suite."""

from dataclasses import replace

import pytest

from lookahead_ray.config.objective import SafetyPart, WeightedObjective
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.recommend.recommend import recommend
from tests.sweep.recommend.truths import VANILLA, sweep


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
        changed.append(record.with_measured(generations=(*record.generations, *hard)))
    part = SafetyPart(metric="jsr", attack="prefill_9")
    objective = WeightedObjective(safety=(part,), safety_weight=1.0)
    assert recommend(changed, WeightedObjective(safety_weight=1.0)).trial_id == "c0"
    result = recommend(changed, objective)
    assert result.trial_id == "c1"
    values = {one.trial_id: one.objective for one in result.comparisons}
    for record in changed[2:]:
        score = make_objective(objective).score(record, ReferenceTrials(*changed[:2]))
        assert score.objective == pytest.approx(values[record.trial_id])
    changed[2] = changed[2].with_measured(generations=changed[2].generations[:-1])
    left = recommend(changed, objective)
    assert left.trial_id == "c1"
    assert left.sentence.endswith("; not compared: c0, which was measured on other prompts")
    with pytest.raises(ValueError, match=r"trial c0: jsr must have the same prompts .* s/prefill_9/h"):
        recommend(changed[:3], objective)


def test_suites_are_drawn_apart() -> None:
    """A second suite with equal results changes only the weight."""
    records = sweep(9, VANILLA, (0.9, 0.7, 0.4))
    both = []
    for record in records:
        plain = next(row for row in record.generations if row.metric == "rsr")
        other = [replace(plain, suite="other", prompt_id=f"o-{i}", verdict="safe") for i in range(30)]
        both.append(record.with_measured(generations=(*record.generations, *other)))
    parts = (SafetyPart(metric="rsr"), SafetyPart(metric="rsr", suite="other", weight=3))
    (mixed,) = recommend(both, WeightedObjective(safety=parts, safety_weight=1.0)).comparisons
    safety = [0.25 * record.rsr.value + 0.75 for record in records if record.rsr]
    assert mixed.difference == pytest.approx((safety[2] - safety[1]) / safety[0])
