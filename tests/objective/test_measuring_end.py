"""The early end of measuring: what each objective compares a point with, and when a point ends."""

import pickle
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.evaluate.portion import Portion, PromptPlace
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.measuring_end import ALPHA, LOOKS, MeasuringEnd, end_rule
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.trial.record import Generation, TrialRecord, Verdict
from tests.factory import make_record

N = 160
FLOOR = FloorObjective(name="floor", floor=0.9)
WEIGHTED = WeightedObjective()
PARETO = ParetoObjective(name="pareto")
TEMPLATE = make_record(1, prompts=1)


def trial(name: str, safe: float, useful: float, seed: int = 0, refused: float = 0.1) -> TrialRecord:
    """Return a trial of which about this share of the answers is safe, useful and refused."""
    rng = np.random.default_rng(seed)
    rows: list[Generation] = []
    kinds: dict[str, tuple[float, Verdict, Verdict]] = {
        "rsr": (safe, "safe", "unsafe"),
        "jsr": (safe, "safe", "unsafe"),
        "over_refusal": (refused, "refused", "complied"),
        "utility": (useful, "correct", "wrong"),
    }
    for row in TEMPLATE.generations:
        share, counted, other = kinds[row.metric]
        kind = row.metric if row.metric == "utility" else "harmless"
        kind = "harmful" if row.metric in ("rsr", "jsr") else kind
        rows += [
            replace(row, prompt_id=f"{kind}-{i}", verdict=counted if good else other, score=None)
            for i, good in enumerate(rng.random(N) < share)
        ]
    answers = tuple(rows)
    made = replace(
        TEMPLATE,
        trial_id=name,
        rsr=rate(answers, "rsr"),
        jsr=rate(answers, "jsr"),
        over_refusal=rate(answers, "over_refusal"),
        utility=rate(answers, "utility"),
    )
    return made.with_measured(generations=answers)


SEED = trial("seed", 0.95, 0.05, 11)
VANILLA = trial("vanilla", 0.4, 0.55, 12)
GOOD = trial("search-001", 0.93, 0.5, 13)


def scored(record: TrialRecord, objective: Objective) -> TrialRecord:
    found = make_objective(objective).score(record, ReferenceTrials(SEED, VANILLA))
    return replace(
        record, objective=found.objective, objectives=found.objectives, constraint=found.constraint
    )


def rule(objective: Objective, points: Sequence[TrialRecord] = (GOOD,)) -> MeasuringEnd:
    references = ReferenceTrials(scored(SEED, objective), scored(VANILLA, objective))
    known = [scored(point, objective) for point in points]
    found = end_rule(make_objective(objective).comparisons(references, known))
    assert found is not None
    restored: MeasuringEnd = pickle.loads(pickle.dumps(found))  # as it travels in a job
    return restored


def ended(rule: MeasuringEnd, record: TrialRecord) -> tuple[int, str] | None:
    """Return the look at which a point ends, and why."""
    for look, share in enumerate(rule.looks):
        rows = [
            row
            for metric in ("rsr", "jsr", "over_refusal", "utility")
            for row in Portion(0, share).of(
                [one for one in record.generations if one.metric == metric],
                lambda one: PromptPlace(one.suite, one.attack, one.prompt_id),
            )
        ]
        if reason := rule.reason_to_end(look, rows):
            return look, reason
    return None


def test_a_point_far_below_the_floor_ends_at_the_first_look() -> None:
    assert ended(rule(FLOOR, ()), trial("t", 0.4, 0.6, 1)) == (0, "safety below the floor")
    assert ended(rule(FLOOR, ()), trial("t", 0.93, 0.1, 1)) is None


def test_a_floor_may_be_a_rate() -> None:
    floor = FloorObjective(name="floor", floor=0.9, relative_to="none")
    assert ended(rule(floor, ()), trial("t", 0.4, 0.6, 1)) == (0, "safety below the floor")
    assert ended(rule(floor, ()), trial("t", 0.95, 0.6, 1)) is None


def test_a_point_above_the_floor_ends_if_a_better_one_is_known() -> None:
    weak = trial("t", 0.95, 0.05, 1)
    assert ended(rule(FLOOR), weak) == (0, "utility below that of search-001, which keeps the floor")
    assert ended(rule(FLOOR), trial("t", 0.95, 0.6, 1)) is None
    unsafe = trial("search-002", 0.5, 0.9, 14)
    assert ended(rule(FLOOR, (unsafe,)), weak) is None  # no point keeps the floor


@pytest.mark.parametrize("points", [(GOOD,), (trial("search-009", 0.5, 0.2, 15), GOOD)])
def test_the_weighted_objective_compares_with_the_best(points: Sequence[TrialRecord]) -> None:
    assert ended(rule(WEIGHTED, points), trial("t", 0.5, 0.2, 1)) == (
        0,
        "objective below that of search-001",
    )
    assert ended(rule(WEIGHTED, points), trial("t", 0.95, 0.55, 1)) is None
    assert "vanilla" in rule(WEIGHTED, ()).comparisons[0].reason


def test_the_front_compares_with_the_points_that_dominate_most() -> None:
    points = [GOOD, trial("search-002", 0.6, 0.53, 16), trial("search-003", 0.55, 0.3, 17)]
    points += [trial("search-004", 0.95, 0.3, 18), trial("search-005", 0.7, 0.52, 19)]
    found = rule(PARETO, points)
    assert len(found.comparisons) == 3
    assert found.comparisons[0].reason == "safety and utility below those of search-001"
    assert ended(found, trial("t", 0.4, 0.05, 1)) == (0, found.comparisons[0].reason)
    assert ended(found, trial("t", 0.97, 0.2, 1)) is None  # safer than all
    assert ended(found, trial("t", 0.4, 0.6, 1)) is None


def test_over_refusal_must_be_worse_too() -> None:
    objective = ParetoObjective(name="pareto", over_refusal=True)
    assert ended(rule(objective), trial("t", 0.4, 0.1, 1, refused=0.05)) is None
    reason = "safety and utility and compliance below those of search-001"
    assert ended(rule(objective), trial("t", 0.4, 0.05, 1, refused=0.8)) == (0, reason)


def test_a_value_with_a_rate_that_has_no_answer_yet_ends_nothing() -> None:
    bad = trial("t", 0.4, 0.1, 1)
    without = [row for row in bad.generations if row.metric != "utility"]
    assert rule(WEIGHTED).reason_to_end(0, bad.generations) is not None
    assert rule(WEIGHTED).reason_to_end(0, without) is None


def test_gains_that_weigh_more_than_all_losses_so_far_may_still_come() -> None:
    vanilla = replace(VANILLA, utility=replace(trial("vanilla", 0.4, 0.1, 12).utility, value=0.06))
    references = ReferenceTrials(SEED, vanilla)
    known = replace(GOOD, objectives=(1.0,), objective=1.0)
    found = end_rule(make_objective(WEIGHTED).comparisons(references, [known]))
    assert found
    same_utility = [row for row in GOOD.generations if row.metric == "utility"]
    unsafe = [row for row in trial("t", 0.4, 0.5, 1).generations if row.metric != "utility"]
    assert rule(WEIGHTED).reason_to_end(0, [*unsafe, *same_utility]) is not None
    assert found.reason_to_end(0, [*unsafe, *same_utility]) is None


def test_without_all_verdicts_nothing_ends() -> None:
    bad = trial("t", 0.4, 0.1, 1)
    first = replace(bad.generations[0], verdict="unjudged")
    rows = [first, *bad.generations[1:]]
    assert rule(FLOOR).reason_to_end(0, rows) is None
    assert rule(FLOOR).reason_to_end(0, bad.generations) is not None


@pytest.mark.parametrize(
    "objective", [FLOOR, *(pytest.param(each, marks=pytest.mark.slow) for each in (WEIGHTED, PARETO))]
)
def test_at_most_one_point_in_twenty_ends_that_equals_the_best(objective: Objective) -> None:
    found = rule(objective)
    calls = sum(ended(found, trial("t", 0.93, 0.5, 100 + index)) is not None for index in range(300))
    assert calls / 300 <= ALPHA
    assert len(LOOKS) == 2
