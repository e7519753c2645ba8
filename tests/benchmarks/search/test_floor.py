"""Trainings to a recommendation under a floor."""

import pytest

from benchmarks.search.figures import Ratio, Spread
from benchmarks.search.floor import (
    Count,
    FloorComparison,
    last_recommended,
    lines,
    trainings_to,
)
from lookahead_ray.evaluate.rates import rate
from tests.benchmarks.search.grids import grid_of_shares

FLOOR = 0.6


class TestFloor:
    def test_answers_give_the_rates(self) -> None:
        whole = grid_of_shares().answered
        for record in (whole.seed, *whole.records):
            assert rate(record.generations, "rsr") == record.rsr
            assert rate(record.generations, "utility") == record.utility

    @pytest.mark.slow
    def test_counts_end_with_the_first_recommendation_of_the_utility(self) -> None:
        whole = grid_of_shares()
        utility = last_recommended(whole, "list", FLOOR)
        assert utility is not None
        count = trainings_to(whole, FLOOR, utility, "list", seed=0)
        assert count is not None
        assert 1 <= count <= len(whole.trainings)
        assert trainings_to(whole, FLOOR, 1.1, "list", seed=0) is None

    def test_lines_say_whether_the_target_is_met(self) -> None:
        count = Count((3, 5), 0, Spread(4, 3.5, 4.5))
        found = FloorComparison(0.9, None, 0.5, count, count, Ratio(1.0, 0.6, 1.7), met=False)
        text = "\n".join(lines(found))
        assert "any utility is recommended under a floor of 0.9" in text
        assert "NOT met: shares need 1.00 [0.60, 1.70] of the trainings" in text
