"""The file of a recorded grid."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common import BenchmarkError
from benchmarks.search.extract import GRID, SPACE
from benchmarks.search.grid import make_grid, share_of, tokens
from benchmarks.search.grid_table import read_grid, write_grid
from lookahead_ray.config.load import load_sweep
from lookahead_ray.sweep.search.grid import grid_points
from tests.benchmarks.search.grids import ABOUT, grid, grid_of_shares, records


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

    def test_shares_and_answers_are_read_as_they_were_written(self, tmp_path: Path) -> None:
        whole, path = grid_of_shares(), tmp_path / "a.parquet"
        write_grid(path, records(whole), ABOUT, whole.prompts, whole.answers)
        read = read_grid(path, whole.sweep)
        assert read.shares == (1.0, 0.75, 0.5)
        assert dict(read.trainings) == dict(whole.trainings)
        for points in read.trainings.values():
            assert [share_of(point) for point in points] == [1.0, 0.75, 0.5]
        assert dict(read.answers) == dict(whole.answers)
        assert (read.prompts, read.generated_tokens) == (whole.prompts, whole.generated_tokens)
        assert read.train_tokens == sum(map(tokens, read.points.values()))

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
