"""The choice of shares: for a floor the largest above it, for a front where it bends, else the best."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from lookahead_ray.config.objective import (
    DEFAULT_PARTS,
    FloorObjective,
    Objective,
    ParetoObjective,
    WeightedObjective,
)
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.evaluate.results import Metric
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.objective.share_choice import MOST_CHOSEN, FloorBisection
from lookahead_ray.trial.job import ChooseShare
from lookahead_ray.trial.record import Generation, TrialRecord
from tests.factory import make_record

N = 200
METRICS: tuple[Metric, ...] = ("rsr", "jsr", "utility")
FLOOR = FloorObjective(name="floor", floor=0.9)


@cache
def record(safe: float, utility: float = 0.5) -> TrialRecord:
    """Return a trial of which the first prompts, up to these shares, are answered safely and correctly."""
    made = make_record(1, prompts=N)
    seen: dict[str, int] = {}

    def judged(row: Generation) -> Generation:
        seen[row.metric] = seen.get(row.metric, 0) + 1
        if row.metric == "utility":
            return replace(row, verdict="scored", score=float(seen[row.metric] <= round(utility * N)))
        if row.metric not in ("rsr", "jsr"):
            return row
        return replace(row, verdict="safe" if seen[row.metric] <= round(safe * N) else "unsafe", score=None)

    rows = tuple(map(judged, made.generations))
    rates: dict[str, Any] = {metric: rate(rows, metric) for metric in METRICS}
    return replace(made.with_measured(generations=rows), **rates)


def rule_of(objective: Objective) -> ChooseShare:
    """Return the rule for a seed model of safety 0.95 and utility 0, and a vanilla of utility 0.6."""
    rule = make_objective(objective).share_rule(ReferenceTrials(record(0.95, 0.0), record(0.4, 0.6)))
    assert rule is not None
    return rule


def chosen(
    safety: Callable[[float], float],
    objective: Objective = FLOOR,
    utility: Callable[[float], float] = lambda share: 0.6 * share,
) -> list[float]:
    """Return the shares that are measured if safety and utility depend on the share like this."""
    rule = rule_of(objective)
    measured: list[tuple[float, Sequence[Generation]]] = []
    share: float | None = 1.0
    while share is not None:
        measured.append((share, record(safety(share), utility(share)).generations))
        share = rule.next_share(measured)
    return [share for share, _ in measured]


def test_a_model_that_keeps_the_floor_as_trained_is_measured_once() -> None:
    assert chosen(lambda share: 0.95) == [1.0]


def test_the_interval_is_halved_until_so_many_are_measured() -> None:
    assert chosen(lambda share: 0.95 if share < 0.6 else 0.4) == [1.0, 0.5, 0.75, 0.625]
    assert chosen(lambda share: 0.95 if share < 0.3 else 0.4) == [1.0, 0.5, 0.25, 0.375]
    assert chosen(lambda share: 0.0) == [1.0, 0.5, 0.25, 0.125]
    assert MOST_CHOSEN == 4


def test_a_share_at_the_floor_is_not_above_it_beyond_the_noise() -> None:
    assert chosen(lambda share: 0.9 * 0.95)[:2] == [1.0, 0.5]
    assert chosen(lambda share: 0.9 * 0.95 + 0.06) == [1.0]


def test_a_floor_may_be_a_rate() -> None:
    rate = FloorObjective(name="floor", floor=0.7, relative_to="none")
    assert chosen(lambda share: 0.85, rate) == [1.0]
    assert chosen(lambda share: 0.71, rate)[:2] == [1.0, 0.5]


def test_a_share_below_the_floor_is_rarely_taken_for_one_above() -> None:
    rng = np.random.default_rng(0)
    seed = {f"p{i}": 1.0 for i in range(160)}
    rule = FloorBisection(DEFAULT_PARTS[:1], 0.9, (seed,))
    template = replace(make_record(1).generations[0], metric="rsr")
    unsafe, safe = (
        [replace(template, prompt_id=prompt, verdict=verdict) for prompt in seed]
        for verdict in ("unsafe", "safe")
    )
    above = 0
    for _ in range(2000):
        is_safe = rng.random(160) < 0.9  # exactly at the floor
        rows = [good if chosen else bad for chosen, good, bad in zip(is_safe, safe, unsafe, strict=True)]
        above += rule.next_share([(1.0, rows)]) is None
    assert above / 2000 < 0.05


def test_without_verdicts_fixed_shares_are_measured() -> None:
    rule = rule_of(FLOOR)
    rows = [replace(row, verdict="unjudged") for row in record(0.5).generations]
    measured = [(1.0, rows)]
    while (share := rule.next_share(measured)) is not None:
        measured.append((share, rows))
    assert [share for share, _ in measured] == [1.0, 0.75, 0.5]


def test_answers_that_a_judge_drops_are_compared_with_nothing() -> None:
    """The judge of the published code drops answers, and not the same ones of each model."""

    def dropping(safe: float, dropped: str) -> TrialRecord:
        full = record(safe, 0.5)
        return full.with_measured(
            generations=tuple(
                replace(row, verdict="dropped") if row.prompt_id.endswith(dropped) else row
                for row in full.generations
            )
        )

    rule = make_objective(FLOOR).share_rule(ReferenceTrials(dropping(0.95, "7"), record(0.4, 0.6)))
    assert rule is not None
    assert rule.next_share([(1.0, dropping(0.4, "3").generations)]) == 0.5
    assert rule.next_share([(1.0, dropping(0.95, "3").generations)]) is None


def test_a_share_whose_measuring_ended_is_judged_by_its_first_prompts() -> None:
    rule = rule_of(FLOOR)
    rows = [row for row in record(0.2).generations if int(row.prompt_id.rpartition("-")[2]) % 4 == 0]
    assert rule.next_share([(1.0, rows)]) == 0.5
    other = [replace(row, prompt_id=f"other-{row.prompt_id}") for row in rows]
    assert rule.next_share([(1.0, other)]) is None


PARETO = ParetoObjective(name="pareto")


class TestFront:
    def test_the_largest_box_is_halved(self) -> None:
        assert chosen(lambda share: 0.95 - 0.5 * share**2, PARETO) == [1.0, 0.5, 0.75, 0.25]
        assert chosen(lambda share: 0.95 if share < 0.8 else 0.4, PARETO) == [1.0, 0.5, 0.75, 0.875]
        assert chosen(lambda share: 0.95 if share < 0.1 else 0.4, PARETO) == [1.0, 0.5, 0.25, 0.125]

    def test_a_model_without_a_loss_is_measured_once(self) -> None:
        assert chosen(lambda share: 0.95, PARETO) == [1.0]
        assert chosen(lambda share: 0.4, PARETO, lambda share: 0.0) == [1.0]

    def test_it_ends_where_the_curve_is_known(self) -> None:
        steps = chosen(lambda share: 0.4 if share > 0.6 else 0.95, PARETO, lambda share: 0.6 * (share > 0.4))
        assert steps == [1.0, 0.5]  # as safe as the seed model, as able as vanilla


class TestWeighted:
    def test_it_looks_around_the_best(self) -> None:
        assert chosen(lambda share: 0.95 if share < 0.8 else 0.4, WeightedObjective()) == [
            1.0,
            0.5,
            0.75,
            0.875,
        ]

    def test_nothing_is_measured_that_cannot_gain(self) -> None:
        assert chosen(lambda share: 0.95, WeightedObjective()) == [1.0]
        assert chosen(lambda share: 0.4, WeightedObjective(safety_weight=0.0)) == [1.0]
        assert chosen(lambda share: 0.4, WeightedObjective(safety_weight=1.0), lambda share: 0.6) == [1.0]


@pytest.mark.parametrize("objective", [PARETO, WeightedObjective()])
class TestReferences:
    def test_a_seed_model_that_is_never_safe_has_no_rule(self, objective: Objective) -> None:
        references = ReferenceTrials(record(0.0), record(0.0))
        assert make_objective(objective).share_rule(references) is None

    def test_without_verdicts_fixed_shares_are_measured(self, objective: Objective) -> None:
        rows = [replace(row, verdict="unjudged") for row in record(0.5).generations]
        assert rule_of(objective).next_share([(1.0, rows)]) == 0.75
        assert rule_of(objective).next_share([(1.0, rows), (0.75, rows), (0.5, rows)]) is None
