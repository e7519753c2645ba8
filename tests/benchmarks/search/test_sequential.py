"""Measurements of recorded points that end early."""

import random
from collections.abc import Sequence

from benchmarks.search.answers import Answers, Prompts
from benchmarks.search.sequential import measure
from lookahead_ray.evaluate.results import Generation

HARMFUL = tuple(f"harmful-{index}" for index in range(80))
PROMPTS: Prompts = {"rsr": HARMFUL, "jsr": HARMFUL, "utility": tuple(f"task-{index}" for index in range(40))}


class EndingAt:
    """A rule that ends a point at this look."""

    looks = (0.25, 0.5)

    def __init__(self, look: int | None) -> None:
        self.look = look
        self.seen: list[Sequence[Generation]] = []

    def reason_to_end(self, look: int, generations: Sequence[Generation]) -> str | None:
        self.seen.append(generations)
        return "below" if look == self.look else None


def answers(rng: random.Random) -> Answers:
    return Answers(
        {metric: tuple(float(rng.random() < 0.5) for _ in ids) for metric, ids in PROMPTS.items()},
        {metric: tuple(range(1, len(ids) + 1)) for metric, ids in PROMPTS.items()},
    )


class TestMeasure:
    def test_a_point_that_ends_costs_the_prompts_that_were_asked(self) -> None:
        own = answers(random.Random(0))
        measured = measure(EndingAt(0), PROMPTS, own)
        assert measured.ended_because == "below"
        asked = {metric: [r for r in measured.generations if r.metric == metric] for metric in PROMPTS}
        assert {metric: len(rows) for metric, rows in asked.items()} == {"rsr": 20, "jsr": 20, "utility": 10}
        assert [row.prompt_id for row in asked["rsr"]] == [row.prompt_id for row in asked["jsr"]]
        places = {metric: dict(zip(ids, own.tokens[metric], strict=True)) for metric, ids in PROMPTS.items()}
        assert measured.generated == sum(places[row.metric][row.prompt_id] for row in measured.generations)

    def test_a_second_look_sees_the_first_prompts_too(self) -> None:
        rule = EndingAt(1)
        measured = measure(rule, PROMPTS, answers(random.Random(0)))
        assert set(rule.seen[0]) < set(rule.seen[1]) == set(measured.generations)
        assert len(measured.generations) == 100

    def test_a_point_that_does_not_end_is_measured_whole(self) -> None:
        own = answers(random.Random(0))
        measured = measure(EndingAt(None), PROMPTS, own)
        assert measured.ended_because is None
        assert measured.generated == own.generated
        assert len(measured.generations) == 200
