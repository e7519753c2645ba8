"""Measurements that end early, and the probability of ending one by chance."""

import random

import pytest

from benchmarks.search.answers import Answers, Prompts
from benchmarks.search.sequential import (
    ALPHA,
    SequentialMeasuring,
    Spending,
    answering_order,
    obrien_fleming,
    pocock,
)

HARMFUL = tuple(f"harmful-{index}" for index in range(80))
PROMPTS: Prompts = {"rsr": HARMFUL, "jsr": HARMFUL, "utility": tuple(f"task-{index}" for index in range(80))}


def answers(rng: random.Random, safe: float, useful: float) -> Answers:
    rates = {"rsr": safe, "jsr": safe, "utility": useful}
    return Answers(
        {metric: tuple(float(rng.random() < rates[metric]) for _ in ids) for metric, ids in PROMPTS.items()},
        {metric: tuple(range(1, len(ids) + 1)) for metric, ids in PROMPTS.items()},
    )


class TestSequentialMeasuring:
    def test_a_point_that_is_far_worse_ends_at_the_first_look(self) -> None:
        rng = random.Random(0)
        known, own = answers(rng, 0.95, 0.9), answers(rng, 0.1, 0.1)
        measured = SequentialMeasuring().measure(PROMPTS, own, [known])
        assert not measured.whole
        assert {metric: len(indices) for metric, indices in measured.indices.items()} == {
            "rsr": 20,
            "jsr": 20,
            "utility": 20,
        }
        assert measured.generated == sum(
            own.tokens[metric][index] for metric, indices in measured.indices.items() for index in indices
        )

    def test_a_point_that_is_better_in_one_value_is_measured_whole(self) -> None:
        rng = random.Random(0)
        known, own = answers(rng, 0.9, 0.1), answers(rng, 0.1, 0.9)
        measured = SequentialMeasuring().measure(PROMPTS, own, [known])
        assert measured.whole
        assert measured.generated == own.generated

    def test_a_margin_ends_more(self) -> None:
        rng = random.Random(0)
        known, own = answers(rng, 0.95, 0.9), answers(rng, 0.95, 0.2)
        assert SequentialMeasuring().measure(PROMPTS, own, [known]).whole
        assert not SequentialMeasuring(margin=0.3).measure(PROMPTS, own, [known]).whole

    def test_all_points_answer_the_same_prompts_first(self) -> None:
        order = answering_order(HARMFUL)
        assert sorted(order) == list(range(80))
        assert order == answering_order(list(HARMFUL))

    @pytest.mark.parametrize("spending", [pocock, obrien_fleming])
    def test_the_error_probability_is_spent_by_the_end(self, spending: Spending) -> None:
        assert 0 < spending(0.25) < spending(0.5) < 1
        assert spending(1.0) == pytest.approx(1)

    def test_comparisons_without_a_difference_rarely_end(self) -> None:
        rng, rule = random.Random(0), SequentialMeasuring()
        for safe, useful in ((0.5, 0.5), (0.9, 0.3)):
            pairs = [(answers(rng, safe, useful), answers(rng, safe, useful)) for _ in range(500)]
            ended = sum(not rule.measure(PROMPTS, own, [known]).whole for known, own in pairs)
            assert ended / len(pairs) <= ALPHA

    def test_equal_safety_and_far_less_utility_rarely_end(self) -> None:
        rng, rule = random.Random(0), SequentialMeasuring()
        pairs = [(answers(rng, 0.7, 0.9), answers(rng, 0.7, 0.1)) for _ in range(500)]
        ended = sum(not rule.measure(PROMPTS, own, [known]).whole for known, own in pairs)
        assert ended / len(pairs) <= ALPHA
