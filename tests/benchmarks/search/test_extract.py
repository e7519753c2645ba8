"""From a sweep over all points to the file of a grid."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.search.extract import extract
from benchmarks.search.grid import read_grid
from benchmarks.search.visits import pair
from lookahead_ray import store
from lookahead_ray.config.load import content_hash, trial_json
from lookahead_ray.trial.record import TrialRecord
from tests.benchmarks.search.grids import grid, records

SEARCH = {"sampler": {"name": "grid"}, "reference": {"training.learning_rate": 1.2e-3}}


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
        assert extract(run[0], out, space) == (len(grid().trainings), 0)
        read = read_grid(out, grid().sweep)
        assert {point: pair(record) for point, record in read.points.items()} == {
            point: pair(record) for point, record in grid().points.items()
        }
        assert read.vanilla.params == grid().vanilla.params
        assert read.about["space"] == space.read_text(encoding="utf-8")
