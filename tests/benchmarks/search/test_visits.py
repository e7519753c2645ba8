"""Traces of searchers on grids whose results are known exactly."""

import pytest

from benchmarks.search.grid import Grid, key
from benchmarks.search.visits import Visit, trace, whole_visit
from tests.benchmarks.search.grids import with_pairs


def visit(whole: Grid, name: str, tokens: int) -> Visit:
    return whole_visit(whole, name, whole.trainings[name], tokens)


class TestTrace:
    def test_known_areas_and_regrets(self) -> None:
        whole = with_pairs((1.0, 0.5), (0.8, 0.8), (0.4, 0.4))
        names = [point for point, record in whole.points.items() if record is not whole.vanilla]
        found = trace(whole, [visit(whole, name, 100) for name in (names[2], names[0], names[1])])
        everything = 0.5 * 1.0 + 0.3 * 0.8 + 0.2 * 0.5
        assert found.tokens == (10, 110, 210, 310)
        assert found.share == pytest.approx([0.5 / everything, 0.5 / everything, 0.75 / everything, 1])
        assert found.regret == pytest.approx([0.05, 0.05, 0.05, 0])

    def test_a_stopped_trial_costs_but_finds_nothing(self) -> None:
        whole = with_pairs((1.0, 1.5))
        (name,) = (point for point, record in whole.points.items() if record is not whole.vanilla)
        found = trace(whole, [Visit(name, 30, (), stopped=True)])
        assert found.tokens == (10, 40)
        assert found.share[0] == found.share[1] < 1
        assert (found.stopped, found.trials) == (1, 1)
        assert found.tokens_to(0.95) is None

    def test_vanilla_is_known_and_free(self) -> None:
        whole = with_pairs((1.0, 1.5))
        assert trace(whole, [visit(whole, key(whole.vanilla.params), 10)]).tokens == (10,)
