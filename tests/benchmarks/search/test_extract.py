"""From a sweep over all points to the file of a grid."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.common import BenchmarkError
from benchmarks.search.answers import generations_of
from benchmarks.search.extract import extract
from benchmarks.search.grid import Grid, share_of
from benchmarks.search.grid_table import read_grid
from benchmarks.search.visits import pair
from lookahead_ray import store
from lookahead_ray.config.load import content_hash, trial_json
from lookahead_ray.config.merge import with_share
from lookahead_ray.trial.record import TrialRecord
from tests.benchmarks.search.grids import grid, grid_of_shares, records

SEARCH = {"sampler": {"name": "grid"}, "reference": {"training.learning_rate": 1.2e-3}}
SEARCH_OF_SHARES = {"sampler": {"name": "grid"}, "reference": {"training.epochs": 1}}


def commit(directory: Path, whole: Grid, committed: Sequence[TrialRecord]) -> str:
    """Commit these records of a grid, each with a trial id of its own, and return the run."""
    run = str(directory / "run")
    sweep = whole.sweep
    identity = store.SweepIdentity.new(sweep.name, sweep.hash, sweep.resolved)
    opened = store.create(run, identity)
    for record in committed:
        opened.commit(replace(record, sweep_id=identity.sweep_id))
    return run


def configured(whole: Grid, record: TrialRecord, number: int) -> TrialRecord:
    """Return a record as a sweep commits it: with its whole configuration, and not scored for two values."""
    sweep, params = whole.sweep, record.params if record.role == "search" else {}
    made = sweep.trial(lambda dimension: params[dimension.name]) if params else sweep.reference()
    config = with_share(trial_json(made), share_of(record)) | {"workers": 1}
    return replace(
        record,
        trial_id=f"{record.role}-{number}",
        training_id=None,
        config=config,
        config_hash=content_hash(config),
        params=params,
        objectives=(0.5,),
    )


def write_space(directory: Path, whole: Grid, **changes: Any) -> Path:
    path = directory / "space.yaml"
    path.write_text(yaml.safe_dump({**whole.sweep.template, **changes}), encoding="utf-8")
    return path


class TestExtraction:
    def test_points_are_known_by_their_parameters_and_scored(self, tmp_path: Path) -> None:
        out, space = tmp_path / "grid.parquet", write_space(tmp_path, grid(), search=SEARCH)
        committed = [configured(grid(), record, number) for number, record in enumerate(records(grid()))]
        run = commit(tmp_path, grid(), committed)
        assert extract(run, out, space) == (len(grid().trainings), 0)
        read = read_grid(out, grid().sweep)
        assert {point: pair(record) for point, record in read.points.items()} == {
            point: pair(record) for point, record in grid().points.items()
        }
        assert read.vanilla.params == grid().vanilla.params
        assert read.about["space"] == space.read_text(encoding="utf-8")

    def test_shares_and_answers_are_kept(self, tmp_path: Path) -> None:
        whole = with_texts(grid_of_shares())
        out = tmp_path / "grid.parquet"
        space = write_space(tmp_path, whole, search=SEARCH_OF_SHARES, workers="auto")  # a sweep fills it in
        committed = [configured(whole, record, number) for number, record in enumerate(records(whole))]
        run = commit(tmp_path, whole, committed)
        assert extract(run, out, space, count_tokens=len) == (len(whole.trainings), 0)
        read = read_grid(out, whole.sweep)
        assert {name: list(map(pair, points)) for name, points in read.trainings.items()} == {
            name: list(map(pair, points)) for name, points in whole.trainings.items()
        }
        assert read.vanilla.params == whole.vanilla.params
        assert read.vanilla_points[0] == read.vanilla
        assert read.prompts == whole.prompts
        assert read.answers[read.vanilla.trial_id].credits == whole.answers["vanilla"].credits
        tokens = read.answers[read.vanilla.trial_id].tokens
        assert set(tokens["rsr"]) == {len("no thanks") + 1}  # and the end token
        assert set(tokens["utility"]) == {len("no thanks") + 1}

    def test_a_partial_run_gives_the_trainings_that_are_whole(self, tmp_path: Path) -> None:
        whole = with_texts(grid_of_shares())
        out, space = tmp_path / "grid.parquet", write_space(tmp_path, whole, search=SEARCH_OF_SHARES)
        some = [configured(whole, record, number) for number, record in enumerate(records(whole)[:6])]
        run = commit(tmp_path, whole, some)  # both references, one training, and a point of another
        with pytest.raises(BenchmarkError, match="11 are missing; --partial"):
            extract(run, out, space, count_tokens=len)
        assert extract(run, out, space, partial=True, count_tokens=len) == (1, 11)
        assert len(read_grid(out, whole.sweep).records) == 4

    @pytest.mark.slow
    def test_a_second_run_adds_what_the_first_lacks(self, tmp_path: Path) -> None:
        whole = with_texts(grid_of_shares())
        out, space = tmp_path / "grid.parquet", write_space(tmp_path, whole, search=SEARCH_OF_SHARES)
        every = [configured(whole, record, number) for number, record in enumerate(records(whole))]
        first = commit(tmp_path / "first", whole, every[:5])  # both references and one training
        again = [replace(record, trial_id=f"search-{number}") for number, record in enumerate(every[2:])]
        second = commit(tmp_path / "second", whole, [*every[:2], *again])
        assert extract(first, out, space, partial=True, count_tokens=len) == (1, 11)
        before = read_grid(out, whole.sweep)
        assert extract(second, out, space, count_tokens=len, add=True) == (12, 0)
        after = read_grid(out, whole.sweep)
        assert len(after.answers) == 1 + 3 * 12  # vanilla is one of the points
        kept = next(iter(before.trainings))
        assert [point.trial_id for point in after.trainings[kept]] == [
            point.trial_id for point in before.trainings[kept]
        ]
        assert {name: list(map(pair, points)) for name, points in after.trainings.items()} == {
            name: list(map(pair, points)) for name, points in whole.trainings.items()
        }

    def test_trials_of_another_space_are_refused(self, tmp_path: Path) -> None:
        space = write_space(tmp_path, grid(), search=SEARCH, seed=7)
        committed = [configured(grid(), record, number) for number, record in enumerate(records(grid()))]
        run = commit(tmp_path, grid(), committed)
        with pytest.raises(BenchmarkError, match="must be a point of the space, got another seed"):
            extract(run, tmp_path / "grid.parquet", space)


def with_texts(whole: Grid) -> Grid:
    """Return the grid with rows of answers in its records."""

    def answered(record: TrialRecord) -> TrialRecord:
        rows = generations_of(whole.answers[record.trial_id], whole.prompts)
        return record.with_measured(
            generations=tuple(
                replace(row, answer="no thanks", ended=None if row.metric == "utility" else "end_token")
                for row in rows
            )
        )

    trainings = {name: tuple(map(answered, points)) for name, points in whole.trainings.items()}
    return replace(whole, seed=answered(whole.seed), vanilla=answered(whole.vanilla), trainings=trainings)
