"""Searchers on a grid: one contract, a class each."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from benchmarks.search.grid import key, tokens
from benchmarks.search.ours import Ours
from benchmarks.search.searchers import Searcher, greedy, halving, optunasearch, random_draws, shuffled
from benchmarks.search.visits import Visit, trace
from lookahead_ray.config.load import trial_json
from lookahead_ray.config.objective import ParetoObjective
from lookahead_ray.config.search import RandomSampler, TpeSampler
from lookahead_ray.sweep.search.search import Search
from tests.benchmarks.search.grids import EAGER_STOPPING, grid, grid_of_shares


class SearcherContract:
    """Check what every searcher guarantees; with `stops` trials may end early."""

    searcher: Searcher
    stops = False
    exhausts = True

    def visits(self, seed: int = 0) -> Iterator[Visit]:
        searcher = type(self).__dict__["searcher"]
        return searcher(grid(), seed)  # type: ignore[no-any-return]

    def test_only_points_of_the_grid_are_visited_and_paid_by_the_epochs_done(self) -> None:
        for visit in islice(self.visits(), 60):
            record = grid().points[visit.name]
            assert visit.tokens in {signal.train_tokens for signal in record.signals}
            assert visit.stopped == (visit.tokens < tokens(record))
            assert visit.measured == (() if visit.stopped else (record,))
            assert self.stops or not visit.stopped

    def test_tokens_add_up_and_repeated_points_cost_nothing(self) -> None:
        first: dict[str, Visit] = {}
        for visit in islice(self.visits(), 200):
            first.setdefault(visit.name, visit)
        first.pop(key(grid().vanilla.params), None)
        found = trace(grid(), islice(self.visits(), 200))
        costs = [visit.tokens for visit in first.values()]
        expected = [tokens(grid().vanilla), *costs[: len(found.tokens) - 1]]
        assert list(found.tokens) == list(np.cumsum(expected))

    def test_the_share_found_never_decreases(self) -> None:
        found = trace(grid(), self.visits())
        assert list(found.share) == sorted(found.share)
        assert list(found.regret) == sorted(found.regret, reverse=True)
        assert found.share[0] > 0

    def test_all_is_found_once_all_was_run(self) -> None:
        found = trace(grid(), self.visits())
        assert found.tokens[-1] <= grid().train_tokens
        if self.exhausts:
            assert found.share[-1] == pytest.approx(1)
            assert found.regret[-1] == pytest.approx(0)

    def test_the_seed_decides(self) -> None:
        assert trace(grid(), self.visits(1)) == trace(grid(), self.visits(1))
        assert trace(grid(), self.visits(1)) != trace(grid(), self.visits(2))


class TestShuffled(SearcherContract):
    searcher = staticmethod(shuffled)


class TestGreedy(SearcherContract):
    searcher = staticmethod(greedy)

    def test_the_seed_decides(self) -> None:
        assert trace(grid(), self.visits(1)) == trace(grid(), self.visits(2))


class TestRandomDraws(SearcherContract):
    searcher = staticmethod(random_draws)


class TestOptunaSearch(SearcherContract):
    searcher = staticmethod(optunasearch)
    exhausts = False


class TestOurs(SearcherContract):
    searcher = Ours(TpeSampler(), None)


class TestOursStopping(SearcherContract):
    searcher = Ours(TpeSampler(), EAGER_STOPPING)
    stops = True
    exhausts = False

    def test_trials_are_stopped(self) -> None:
        assert any(visit.stopped for seed in range(4) for visit in self.visits(seed))


class TestOursAtRandom(SearcherContract):
    searcher = Ours(RandomSampler(name="random"), EAGER_STOPPING)
    stops = True
    exhausts = False


def test_ours_is_ask_and_tell_of_the_search() -> None:
    sweep = grid().sweep
    sampler = TpeSampler(startup_trials=2)
    asked = replace(
        sweep,
        search=sweep.search.model_copy(update={"sampler": sampler, "seed": 3}),
        objective=ParetoObjective(name="pareto"),
    )
    vanilla = replace(grid().vanilla, config=trial_json(sweep.reference()))
    search = Search(asked, [replace(grid().seed, status="completed"), vanilla])
    expected = []
    for _ in range(8):
        job = search.ask()
        assert job is not None
        expected.append(key(job.params))
        search.tell(replace(grid().points[expected[-1]], trial_id=job.trial_id))
    visits = islice(Ours(sampler, None)(grid(), 3), 8)
    assert [visit.name for visit in visits] == expected


class TestHalving:
    def test_the_better_half_continues_and_pays_only_its_further_epochs(self) -> None:
        whole = grid_of_shares()
        visits = list(halving(whole, 0))
        assert sorted(visit.name for visit in visits) == sorted(whole.trainings)
        continued = [visit for visit in visits if visit.tokens < tokens(whole.points[visit.name])]
        assert len(continued) == 3  # of six configurations
        for visit in continued:
            assert visit.tokens == tokens(whole.points[visit.name]) // 2
            assert visit.measured == whole.trainings[visit.name]

    def test_a_space_without_epochs_is_drawn_without_replacement(self) -> None:
        visits = list(halving(grid(), 0))
        assert sorted(visit.name for visit in visits) == sorted(grid().trainings)
