"""The choice of shares: bisection for the largest share whose safety is above a floor beyond the noise."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from lookahead_ray.config.objective import DEFAULT_PARTS, FloorObjective, WeightedObjective
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.share_choice import MOST_CHOSEN, FloorBisection, choose_by
from lookahead_ray.trial.record import Generation, TrialRecord
from tests.factory import make_record

N = 200
FLOOR = FloorObjective(name="floor", floor=0.9)


def record(safe: float, random: int = 0) -> TrialRecord:
    """Return a trial of which the first prompts, up to this share, are answered safely."""
    made = make_record(1, prompts=N)
    seen: dict[str, int] = {}

    def judged(row: Generation) -> Generation:
        if row.metric not in ("rsr", "jsr"):
            return row
        seen[row.metric] = seen.get(row.metric, 0) + 1
        return replace(row, verdict="safe" if seen[row.metric] <= round(safe * N) else "unsafe", score=None)

    return made.with_measured(generations=tuple(map(judged, made.generations)))


def chosen(safety: Callable[[float], float], objective: FloorObjective = FLOOR) -> list[float]:
    """Return the shares that are measured if safety depends on the share like this."""
    rule = choose_by(objective, ReferenceTrials(record(0.95), record(0.4)))
    assert rule is not None
    measured: list[tuple[float, Sequence[Generation]]] = []
    share: float | None = 1.0
    while share is not None:
        measured.append((share, record(safety(share)).generations))
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


def test_without_verdicts_nothing_further_is_measured() -> None:
    rule = choose_by(FLOOR, ReferenceTrials(record(0.95), record(0.4)))
    assert rule is not None
    rows = [replace(row, verdict="unjudged") for row in record(0.5).generations]
    assert rule.next_share([(1.0, rows)]) is None


def test_a_share_whose_measuring_ended_is_judged_by_its_first_prompts() -> None:
    rule = choose_by(FLOOR, ReferenceTrials(record(0.95), record(0.4)))
    assert rule is not None
    rows = [row for row in record(0.2).generations if int(row.prompt_id.rpartition("-")[2]) % 4 == 0]
    assert rule.next_share([(1.0, rows)]) == 0.5
    other = [replace(row, prompt_id=f"other-{row.prompt_id}") for row in rows]
    assert rule.next_share([(1.0, other)]) is None


@pytest.mark.parametrize("objective", [WeightedObjective()])
def test_other_objectives_have_no_rule(objective: WeightedObjective) -> None:
    assert choose_by(objective, ReferenceTrials(record(0.95), record(0.4))) is None
