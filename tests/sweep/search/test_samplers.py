"""The contract of every sampler in our search, one class each."""

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lookahead_ray.config.dimension import Choice
from lookahead_ray.config.load import Sweep
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord
from tests.sweep.search.searching import asked, begun, load, record_of, run, told

OBJECTIVES = {
    "weighted": "{name: weighted}",
    "floor": "{name: floor, floor: 0.5}",
    "pareto": "{name: pareto}",
    "three": "{name: pareto, over_refusal: true}",
}


def measured(job: Job, objective: str = "weighted") -> TrialRecord:
    """Return a plausible result that follows from the configuration alone; every fifth length fails."""
    params = job.params
    if params.get("preview.true.length_tokens", 0) % 5 == 4:
        return record_of(job, ())
    utility = 1 - abs(math.log10(params["training.learning_rate"]) + 3.5)
    safety = {"none": 0.3, "true": 0.5, "virtual": 0.6}[params["preview"]] - 0.2 * utility
    match objective:
        case "weighted":
            return record_of(job, (safety + utility,))
        case "floor":
            return record_of(job, (utility,), 0.5 - safety)
        case "pareto":
            return record_of(job, (safety, utility))
        case _:
            return record_of(job, (safety, utility, 1 - safety / 2))


class SamplerContract:
    """The sampler gets results, failures, a constraint or several values, for one or several open
    suggestions.
    """

    sampler = ""
    trials = 14

    @pytest.fixture
    def space(self, tmp_path: Path) -> Any:
        def space(objective: str = "weighted", seed: int = 0) -> Sweep:
            overrides = (
                f"search.sampler={self.sampler}",
                f"search.seed={seed}",
                f"objective={OBJECTIVES[objective]}",
            )
            return load(tmp_path, overrides=overrides)

        return space

    def history(self, sweep: Sweep, objective: str = "weighted") -> list[TrialRecord]:
        """Return an undisturbed search."""
        return run(Search(sweep, []), self.trials, lambda job: measured(job, objective))

    def test_it_asks_for_points_of_the_space(self, space: Any) -> None:
        sweep = space()
        dimensions = {dimension.name: dimension for dimension in sweep.dimensions}
        for record in self.history(sweep):
            assert TrialConfig.model_validate(record.config).model_dump(mode="json") == record.config
            for name, value in record.params.items():
                dimension = dimensions[name]
                if isinstance(dimension, Choice):
                    assert value in dimension.labels
                else:
                    assert dimension.low <= value <= dimension.high
            own = {"true": {"preview.true.length_tokens"}, "virtual": {"preview.virtual.prefix"}}
            everywhere = {"preview", "training.learning_rate"}
            assert record.params.keys() == everywhere | own.get(record.params["preview"], set())

    def test_the_enqueued_point_is_first_and_no_configuration_comes_twice(self, space: Any) -> None:
        records = self.history(space())
        assert records[0].params.items() >= {"preview": "true", "preview.true.length_tokens": 6}.items()
        assert len({record.config_hash for record in records}) == len(records)

    def test_the_seed_decides(self, space: Any) -> None:
        assert told(self.history(space(seed=1))) == told(self.history(space(seed=1)))
        assert told(self.history(space(seed=1))) != told(self.history(space(seed=2)))

    @pytest.mark.parametrize("objective", OBJECTIVES)
    def test_the_sampler_gets_results_failures_and_constraints(self, space: Any, objective: str) -> None:
        search = Search(space(objective), [])
        records = run(search, self.trials, lambda job: measured(job, objective))
        trials = begun(search)
        assert [trial.user_attrs["trial_id"] for trial in trials] == [record.trial_id for record in records]
        for trial, record in zip(trials, records, strict=True):
            assert tuple(trial.values or ()) == record.objectives
            assert trial.state == (TrialState.COMPLETE if record.objectives else TrialState.FAIL)
            constraints = [] if record.constraint is None else [record.constraint]
            assert list(trial.constraints.values()) == constraints
        assert not any(trial.state == TrialState.RUNNING for trial in search.study.trials)

    def test_parallel_suggestions_differ_and_may_end_in_any_order(self, space: Any) -> None:
        search = Search(space(), [])
        jobs = [asked(search) for _ in range(4)]
        assert len({str(job.params) for job in jobs}) == 4
        for job in reversed(jobs):
            search.tell(measured(job))
        assert asked(search).trial_id == "search-005"

    @pytest.mark.parametrize("objective", ["weighted", "floor", "pareto"])
    def test_a_resumed_search_makes_the_same_suggestions(self, space: Any, objective: str) -> None:
        sweep = space(objective)
        whole = self.history(sweep, objective)
        for kept in (1, self.trials - 3):
            search = Search(sweep, whole[:kept])
            rest = run(search, self.trials - kept, lambda job: measured(job, objective))
            assert told(rest) == told(whole[kept:])

    def test_so_does_one_that_was_killed_with_a_trial_running(self, space: Any, tmp_path: Path) -> None:
        sweep, journal = space(), tmp_path / "study.journal"
        whole, half = self.history(sweep), self.trials - 3
        first = Search(sweep, [], journal)
        committed = run(first, half, measured)
        in_flight = asked(first)
        for _ in range(2):  # killed again before the sampler got any result
            search = Search(sweep, committed, journal)
            again = asked(search)
            assert again == in_flight
        search.tell(measured(again))
        rest = run(search, self.trials - half - 1, measured)
        assert told([*committed, measured(again), *rest]) == told(whole)

    def test_a_committed_result_missing_in_the_study_is_read_from_the_record(
        self, space: Any, tmp_path: Path
    ) -> None:
        sweep, journal = space(), tmp_path / "study.journal"
        whole = self.history(sweep)
        first = Search(sweep, [], journal)
        committed = run(first, 5, measured)
        committed.append(measured(asked(first)))  # killed here
        search = Search(sweep, committed, journal)
        assert told(run(search, self.trials - 6, measured)) == told(whole[6:])
        study = optuna.load_study(
            study_name="space",
            storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal))),
        )
        assert [t.user_attrs["trial_id"] for t in study.trials] == [record.trial_id for record in whole]
        assert [tuple(t.values or ()) for t in study.trials] == [record.objectives for record in whole]


class TestTpe(SamplerContract):
    sampler = "{name: tpe, startup_trials: 4}"

    def test_a_better_region_is_visited_more_often(self, tmp_path: Path) -> None:
        text = "task: {name: word_problems}\ntraining: {weight_decay: {uniform: [0.0, 1.0]}}\n"
        search = Search(load(tmp_path, text), [])
        name = "training.weight_decay"
        records = run(search, 40, lambda job: record_of(job, (1 - abs(job.params[name] - 0.8),)))
        assert sum(abs(record.params[name] - 0.8) < 0.2 for record in records[20:]) >= 14  # 8 by chance

    def test_the_best_value_that_keeps_the_floor_is_looked_for(self, tmp_path: Path) -> None:
        text = "task: {name: word_problems}\ntraining: {weight_decay: {uniform: [0.0, 1.0]}}\n"
        search = Search(load(tmp_path, text, overrides=("objective={name: floor, floor: 0.5}",)), [])
        name = "training.weight_decay"
        records = run(search, 40, lambda job: record_of(job, (job.params[name],), job.params[name] - 0.3))
        assert sum(abs(record.params[name] - 0.3) < 0.15 for record in records[20:]) >= 10  # 6 by chance


@pytest.mark.slow  # seconds a suggestion
class TestGp(SamplerContract):
    sampler = "{name: gp, startup_trials: 3}"
    trials = 7


class TestNsga2(SamplerContract):
    sampler = "{name: nsga2, population_size: 3}"


class TestRandom(SamplerContract):
    sampler = "{name: random}"

    def test_it_does_not_begin_again(self, tmp_path: Path) -> None:
        sweep = load(tmp_path, overrides=("search.sampler={name: random}",))
        committed = run(Search(sweep, []), 60)
        # a repetition of the same 60 draws would look like an exhausted space
        assert run(Search(sweep, committed), 3)


class TestGrid(SamplerContract):
    sampler = "{name: grid, points: {training.learning_rate: 4}}"

    def test_it_ends_after_every_point(self, space: Any) -> None:
        search = Search(space(), [])
        records = []
        while job := search.ask():
            records.append(measured(job))
            search.tell(records[-1])
        on_the_grid = [r for r in records if r.params["training.learning_rate"] in (1e-5, 1e-3)]
        assert len(on_the_grid) == 2 * (1 + 12 + 3)
        assert len(records) == 4 * (1 + 12 + 3) + 1  # the enqueued point's learning rate is drawn
