"""Replay of searchers on grids whose results are known exactly."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from benchmarks.common import BenchmarkError
from benchmarks.search import tables
from benchmarks.search.__main__ import app
from benchmarks.search.extract import GRID, SPACE, extract
from benchmarks.search.figures import at, prices, ratio, spread
from benchmarks.search.grid import Grid, key, make_grid, read_grid, tokens, write_grid
from benchmarks.search.searchers import Ours, Searcher, optunasearch, random_draws, shuffled
from benchmarks.search.signals import best, discards, ranks, stopped
from benchmarks.search.visits import Trace, Visit, pair, trace
from lookahead_ray import store
from lookahead_ray.config.load import content_hash, load_sweep, trial_json
from lookahead_ray.config.objective import ParetoObjective, WeightedObjective
from lookahead_ray.config.search import RandomSampler, StoppingConfig, TpeSampler
from lookahead_ray.sweep.search.grid import grid_points
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.trial.record import TrialRecord
from tests.benchmarks.synthetic_grid import synthetic_grid

ABOUT = {"command": "sweep", "versions": "{}", "recorded": "2026", "space": "yaml"}
MANY = StoppingConfig(grace_epochs=1, reduction=4, least_trials=2)


SMALL = (
    "preview={choice: [{strategy: none}, {strategy: true, length_tokens: {int: [1, 3]}}, "
    "{strategy: virtual, prefix: {choice: ['So, ', 'Well, ']}}]}",
    "training.learning_rate={choice: [6.0e-4, 1.2e-3]}",
    "training.epochs=4",
    "search.reference={training.learning_rate: 1.2e-3}",
)
SEARCH = {"sampler": {"name": "grid"}, "reference": {"training.learning_rate": 1.2e-3}}


@cache
def grid() -> Grid:
    """Return a grid of 12 points."""
    return synthetic_grid(0, overrides=SMALL)


def records(whole: Grid) -> list[TrialRecord]:
    return [
        whole.seed,
        *{key(record.params): record for record in (*whole.points.values(), whole.vanilla)}.values(),
    ]


def with_pairs(*pairs: tuple[float, float]) -> Grid:
    """Return the first points of the synthetic grid with these safeties and utilities, 100 tokens each;
    vanilla has (0.5, 1) for 10 tokens.
    """
    whole = grid()
    others = [record for record in whole.points.values() if record is not whole.vanilla]
    points = [
        replace(record.with_measured(train_tokens=100), objectives=each)
        for record, each in zip(others, pairs, strict=False)
    ]
    vanilla = replace(whole.vanilla.with_measured(train_tokens=10), objectives=(0.5, 1.0))
    return make_grid(whole.sweep, [whole.seed, vanilla, *points], {})


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
            record = grid().points[visit.point]
            assert visit.tokens in {signal.train_tokens for signal in record.signals}
            assert visit.completed == (visit.tokens == tokens(record))
            assert visit.completed or self.stops

    def test_tokens_add_up_and_repeated_points_cost_nothing(self) -> None:
        first: dict[str, Visit] = {}
        for visit in islice(self.visits(), 200):
            first.setdefault(visit.point, visit)
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


class TestRandomDraws(SearcherContract):
    searcher = staticmethod(random_draws)


class TestOptunaSearch(SearcherContract):
    searcher = staticmethod(optunasearch)
    exhausts = False


class TestOurs(SearcherContract):
    searcher = Ours(TpeSampler(), None)


class TestOursStopping(SearcherContract):
    searcher = Ours(TpeSampler(), MANY)
    stops = True
    exhausts = False

    def test_trials_are_stopped(self) -> None:
        assert any(not visit.completed for seed in range(4) for visit in self.visits(seed))


class TestOursAtRandom(SearcherContract):
    searcher = Ours(RandomSampler(name="random"), MANY)
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
    vanilla = replace(grid().vanilla, config_hash=content_hash(trial_json(sweep.reference())))
    search = Search(asked, [replace(grid().seed, status="completed"), vanilla])
    expected = []
    for _ in range(8):
        job = search.ask()
        assert job is not None
        expected.append(key(job.params))
        search.tell(replace(grid().points[expected[-1]], trial_id=job.trial_id))
    visits = islice(Ours(sampler, None)(grid(), 3), 8)
    assert [visit.point for visit in visits] == expected


class TestTrace:
    def test_known_areas_and_regrets(self) -> None:
        whole = with_pairs((1.0, 0.5), (0.8, 0.8), (0.4, 0.4))
        names = [point for point, record in whole.points.items() if record is not whole.vanilla]
        found = trace(whole, [Visit(name, 100, True) for name in (names[2], names[0], names[1])])
        everything = 0.5 * 1.0 + 0.3 * 0.8 + 0.2 * 0.5
        assert found.tokens == (10, 110, 210, 310)
        assert found.share == pytest.approx([0.5 / everything, 0.5 / everything, 0.75 / everything, 1])
        assert found.regret == pytest.approx([0.05, 0.05, 0.05, 0])

    def test_a_stopped_trial_costs_but_finds_nothing(self) -> None:
        whole = with_pairs((1.0, 1.5))
        (name,) = (point for point, record in whole.points.items() if record is not whole.vanilla)
        found = trace(whole, [Visit(name, 30, False)])
        assert found.tokens == (10, 40)
        assert found.share[0] == found.share[1] < 1
        assert (found.stopped, found.trials) == (1, 1)
        assert found.tokens_to(0.95) is None

    def test_vanilla_is_known_and_free(self) -> None:
        whole = with_pairs((1.0, 1.5))
        assert trace(whole, [Visit(key(whole.vanilla.params), 10, True)]).tokens == (10,)


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
            return tables.standing([Trace((0, price), (0.1, 1.0), (1, 0), 0, 1)] * 3, 1000)

        found = tables.targets({"ours": standing(40), "random": standing(100), "optunasearch": standing(50)})
        assert [(target.peer, target.met) for target in found] == [("random", True), ("optunasearch", False)]


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
        ended = [stopped(grid(), objective, MANY, seed)[0] for seed in range(10)]
        count = sum(bool(best(grid(), objective) & each) for each in ended)
        found = next(each for each in discards(grid(), MANY, 10) if each.objective == "weighted, w = 0.5")
        assert found.count == count
        assert 0 < found.saved < 1

    def test_pareto_must_keep_the_front(self) -> None:
        whole = with_pairs((1.0, 0.5), (0.8, 0.8), (0.4, 0.4))
        kept = best(whole, ParetoObjective(name="pareto"))
        assert sorted(pair(whole.points[point]) for point in kept) == [(0.5, 1.0), (0.8, 0.8), (1.0, 0.5)]


class TestFile:
    def test_a_grid_is_read_as_it_was_written_and_bytes_are_the_same(self, tmp_path: Path) -> None:
        paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
        write_grid(paths[0], records(grid()), ABOUT)
        write_grid(paths[1], list(reversed(records(grid()))), ABOUT)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        read = read_grid(paths[0], grid().sweep)
        assert dict(read.about) == ABOUT
        assert (read.seed, read.vanilla) == (grid().seed, grid().vanilla)
        assert dict(read.points) == dict(grid().points)

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.parquet"
        path.write_bytes(b"no")
        with pytest.raises(BenchmarkError, match=r"x\.parquet: cannot be read as a grid"):
            read_grid(path, grid().sweep)

    def test_a_grid_is_whole(self) -> None:
        whole = records(grid())
        with pytest.raises(BenchmarkError, match="one vanilla trial, got 0"):
            make_grid(grid().sweep, [record for record in whole if record.role != "vanilla"], {})
        with pytest.raises(BenchmarkError, match="twice"):
            make_grid(grid().sweep, [*whole, replace(whole[-2], trial_id="again")], {})
        with pytest.raises(BenchmarkError, match="must be completed"):
            make_grid(grid().sweep, [*whole[:-1], replace(whole[-1], status="stopped")], {})

    def test_the_recorded_grid_is_there(self) -> None:
        recorded = read_grid(GRID, load_sweep(SPACE))
        assert GRID.stat().st_size < 300_000
        assert len(recorded.points) == len(grid_points(recorded.sweep))
        assert recorded.about["command"].startswith("lookahead-ray sweep")
        assert all(record.signals for record in recorded.points.values())


class TestExtraction:
    @pytest.fixture
    def run(self, tmp_path: Path) -> tuple[str, list[TrialRecord]]:
        """Return a run of the whole synthetic grid, as a sweep commits it."""
        sweep, run = grid().sweep, str(tmp_path / "run")
        identity = store.SweepIdentity.new(sweep.name, sweep.hash, sweep.resolved)
        committed = []
        for record in records(grid()):
            config = (
                sweep.trial(lambda dimension, record=record: record.params[dimension.name])  # type: ignore[misc]
                if record.role == "search"
                else sweep.reference()
            )
            changes: dict[str, Any] = {
                "config": trial_json(config),
                "config_hash": content_hash(trial_json(config)),
                "params": record.params if record.role == "search" else {},
                "objectives": (0.5,),
            }
            committed.append(replace(record, sweep_id=identity.sweep_id, **changes))
        opened = store.create(run, identity)
        for number, record in enumerate(committed):
            opened.commit(replace(record, trial_id=f"{record.role}-{number}"))
        return run, committed

    def test_points_are_known_by_their_configuration_and_scored(
        self, run: tuple[str, list[TrialRecord]], tmp_path: Path
    ) -> None:
        out, space = tmp_path / "grid.parquet", tmp_path / "space.yaml"
        space.write_text(yaml.safe_dump({**grid().sweep.template, "search": SEARCH}), encoding="utf-8")
        assert extract(run[0], out, space) == len(grid().points)
        read = read_grid(out, grid().sweep)
        assert {point: pair(record) for point, record in read.points.items()} == {
            point: pair(record) for point, record in grid().points.items()
        }
        assert read.vanilla.params == grid().vanilla.params
        assert read.about["space"] == space.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_command_prints_figures_and_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "grid.parquet"
    write_grid(file, records(synthetic_grid(0)), ABOUT)  # the commands read the space of the whole grid
    common = ["--grid", str(file), "--out", str(tmp_path)]
    found = CliRunner().invoke(app, ["replay", "--seeds", "2", *common])
    assert found.exit_code == 0, found.output
    assert found.output.count("met: ours needs") == 2
    assert len(list(tmp_path.glob("search-*.png"))) == 1
    (written,) = tmp_path.glob("search-*.json")
    content = json.loads(written.read_text(encoding="utf-8"))
    assert content["seeds"] == 2
    assert content["searchers"].keys() >= {"ours", "random", "grid", "optunasearch"}
    found = CliRunner().invoke(app, ["signals", "--orders", "2", *common])
    assert found.exit_code == 0, found.output
    (written,) = tmp_path.glob("signals-*.json")
    assert json.loads(written.read_text(encoding="utf-8"))["discards"]


def test_a_missing_grid_is_one_line(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["signals", "--grid", str(tmp_path / "none.parquet")])
    assert found.exit_code == 1
    assert "none.parquet: cannot be read as a grid" in found.output
