"""Rank correlation of signals, and discards by early stopping."""

from benchmarks.search.signals import best, discards, ranks, stopped
from benchmarks.search.visits import pair
from lookahead_ray.config.objective import ParetoObjective, WeightedObjective
from lookahead_ray.config.search import StoppingConfig
from tests.benchmarks.search.grids import EAGER_STOPPING, SMALL, grid, with_pairs
from tests.benchmarks.search.synthetic_grid import synthetic_grid


class TestSignals:
    def test_ranks_of_noiseless_signals_are_those_of_the_truth(self) -> None:
        found = {
            (rank.signal, rank.epoch): rank for rank in ranks(synthetic_grid(1, noise=0.0, overrides=SMALL))
        }
        assert set(found) == {(name, epoch) for name in ("kl", "answer_loss") for epoch in (1, 2, 3)}
        assert found["kl", 3].rho < -0.95
        assert all(rank.low <= rank.rho <= rank.high for rank in found.values())

    def test_noise_blurs_them(self) -> None:
        clear, blurred = (
            ranks(synthetic_grid(1, noise=noise, overrides=SMALL))[2].rho for noise in (0.0, 2.0)
        )
        assert clear < blurred

    def test_without_stopping_nothing_is_discarded_or_saved(self) -> None:
        for each in discards(grid(), StoppingConfig(least_trials=1000), orders=3):
            assert (each.count, each.saved) == (0, 0)
            assert each.high > 0

    def test_halving_saves_tokens_and_counts_discards(self) -> None:
        objective = WeightedObjective(safety_weight=0.5)
        ended = [stopped(grid(), objective, EAGER_STOPPING, seed)[0] for seed in range(10)]
        count = sum(bool(best(grid(), objective) & each) for each in ended)
        found = next(
            each for each in discards(grid(), EAGER_STOPPING, 10) if each.objective == "weighted, w = 0.5"
        )
        assert found.count == count
        assert 0 < found.saved < 1

    def test_pareto_must_keep_the_front(self) -> None:
        whole = with_pairs((1.0, 0.5), (0.8, 0.8), (0.4, 0.4))
        kept = best(whole, ParetoObjective(name="pareto"))
        assert sorted(pair(whole.points[point]) for point in kept) == [(0.5, 1.0), (0.8, 0.8), (1.0, 0.5)]
