"""The product's search on a grid with several shares."""

from dataclasses import replace
from itertools import islice
from typing import Literal

import pytest

from benchmarks.search.grid import key, tokens
from benchmarks.search.ours import Ours, Shares
from benchmarks.search.sequential import Measured
from benchmarks.search.visits import trace
from lookahead_ray.config.objective import FloorObjective
from lookahead_ray.config.search import RandomSampler
from tests.benchmarks.search.grids import grid_of_shares

RANDOM = RandomSampler(name="random")


def ours(shares: Shares = "list", measure: Literal["whole", "sequential"] = "whole") -> Ours:
    return Ours(RANDOM, shares=shares, measure=measure)


class TestShares:
    def test_a_list_gives_all_points_for_one_training(self) -> None:
        whole = grid_of_shares()
        for step in islice(ours().steps(whole, 0), 4):
            points = whole.trainings[step.visit.name]
            assert step.visit.measured == points
            assert step.visit.tokens == tokens(points[0])
            assert step.visit.generated == sum(map(whole.generated, points))
        found = step.records
        assert [record.trial_id for record in found[1:4]] == ["vanilla", "vanilla.2", "vanilla.3"]
        assert [record.role for record in found[1:4]] == ["vanilla", "search", "search"]
        assert [record.trial_id for record in found[4:7]] == ["search-001", "search-001.2", "search-001.3"]
        assert {record.training_id for record in found[4:7]} == {"search-001"}
        assert len({record.config_hash for record in found}) == len(found) - 1  # both references have one

    def test_all_points_are_found_for_the_tokens_of_the_grid(self) -> None:
        whole = grid_of_shares()
        found = trace(whole, ours()(whole, 0))
        assert found.share[-1] == 1
        assert found.tokens[-1] <= whole.train_tokens
        assert found.generated[-1] <= whole.generated_tokens

    def test_a_dimension_gives_one_point_for_each_training(self) -> None:
        whole = grid_of_shares()
        visits = list(ours("dimension")(whole, 0))
        points = [record for visit in visits for record in visit.measured]
        # vanilla's configuration is not trained again
        assert len(visits) == len({visit.name for visit in visits}) == len(whole.records) - 1
        assert len(points) == len({record.trial_id for record in points}) == len(visits)
        assert sum(visit.tokens for visit in visits) > 2 * whole.train_tokens

    def test_without_shares_models_are_as_trained(self) -> None:
        whole = grid_of_shares()
        visits = list(ours("none")(whole, 0))
        assert {visit.measured[0].trial_id for visit in visits} < {r.trial_id for r in whole.points.values()}
        assert len(visits) == len(whole.trainings) - 1

    def test_a_training_that_the_grid_lacks_costs_nothing(self) -> None:
        whole = grid_of_shares()
        vanilla = key(whole.vanilla.params)
        missing = next(name for name in sorted(whole.trainings) if name != vanilla)
        part = replace(whole, trainings={n: t for n, t in whole.trainings.items() if n != missing})
        visits = list(ours()(part, 0))
        assert {visit.name for visit in visits} == set(part.trainings) - {vanilla}

    def test_points_that_were_not_measured_whole_are_not_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended = Measured((), 7, "below")
        monkeypatch.setattr("benchmarks.search.ours.measure", lambda *_: ended)
        whole = grid_of_shares()
        found = trace(whole, ours(measure="sequential")(whole, 0))
        assert found.share[-1] == found.share[0]
        assert found.trials == len(whole.trainings) - 1  # vanilla's is known, and never ends early
        assert found.generated[-1] - found.generated[0] == 7 * (len(whole.records) - 3)

    def test_points_end_by_the_rule_of_the_product(self) -> None:
        whole = grid_of_shares()
        under_floor = replace(ours(measure="sequential"), objective=FloorObjective(name="floor", floor=0.9))
        *_, step = under_floor.steps(whole, 0)
        partial = [record for record in step.records if record.status == "partial"]
        assert partial
        for record in partial:
            assert record.measurement
            assert record.measurement.ended_because == "safety below the floor"
            assert record.utility
            assert record.utility.n in (16, 32)
            assert not record.objectives
        assert all(record.objectives for record in step.records if record.status == "completed")
