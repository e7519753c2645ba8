"""Statistics over the traces of a searcher, and targets."""

import numpy as np
import pytest

from benchmarks.search import tables
from benchmarks.search.figures import at, prices, ratio, spread
from benchmarks.search.visits import Trace


class TestFigures:
    def test_an_unreached_share_costs_the_whole_grid(self) -> None:
        runs = [Trace((10, 20, 30), (0.5, 0.96, 1.0), (1, 0, 0), 0, 2), Trace((10,), (0.5,), (1,), 0, 0)]
        found = prices(runs, 1000)
        assert (found.values, found.censored) == ((20, 1000), 1)
        assert found.spread.median == 510

    def test_ratio_of_medians_with_an_interval_around_it(self) -> None:
        rng = np.random.default_rng(1)
        ours, theirs = rng.normal(50, 5, 50), rng.normal(100, 5, 50)
        found = ratio(list(ours), list(theirs))
        assert found.low < found.value < found.high
        assert found.value == pytest.approx(0.5, abs=0.05)
        assert ratio([7] * 5, [7] * 5) == ratio([7] * 5, [7] * 5, seed=1)

    def test_spread(self) -> None:
        assert spread([1, 2, 3, 4, 5]) == tables.Spread(3, 2, 4)

    def test_a_trace_is_a_step_function_that_keeps_its_last_value(self) -> None:
        runs = [Trace((10, 20), (0.5, 1.0), (0.2, 0.0), 0, 1)]
        values = at(runs, "share", np.array([5.0, 10, 19, 20, 99]))[0]
        assert np.isnan(values[0])
        assert list(values[1:]) == [0.5, 0.5, 1.0, 1.0]

    def test_targets_are_met_or_not(self) -> None:
        def standing(price: int) -> tables.Standing:
            return tables.standing([Trace((0, price), (0.1, 1.0), (1, 0), 0, 1)] * 3, tables.Whole(1000))

        found = tables.targets({"ours": standing(40), "random": standing(100), "optunasearch": standing(50)})
        peers = [(target.wanted.peer, target.met) for target in found]
        assert peers == [("random", True), ("optunasearch", False)]

    def test_measuring_has_its_own_cost_and_target(self) -> None:
        def standing(generated: int) -> tables.Standing:
            runs = [Trace((0, 10), (0.1, 1.0), (1, 0), 0, 1, (0, generated))] * 3
            return tables.standing(runs, tables.Whole(100, 1000))

        replayed = {"ours": standing(400), "ours_sequential": standing(300)}
        (target,) = tables.targets(replayed, tables.TARGETS_OF_SHARES)
        assert (target.wanted.cost, target.ratio.value, target.met) == ("generated", 0.75, False)
