"""The next suggestion: enqueued points, suggestions, and resumed searches."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from lookahead_ray.config.load import Sweep, content_hash, load_sweep
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep.search.jobs import make_job, reference_jobs
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import Role, TrialRecord

SPACE = """
task: {name: word_problems}
preview:
  choice:
    - {strategy: true, length_tokens: {int: [1, 12]}}
    - {strategy: virtual, prefix: {choice: ["So, ", "Well, "]}}
search:
  enqueue:
    - {preview: true, preview.true.length_tokens: 6}
    - {preview: virtual, preview.virtual.prefix: "Well, "}
"""
FINITE = "task: {name: word_problems}\npreview: {strategy: true, length_tokens: {int: [1, 3]}}\n"
LEARNING_RATE = "training: {learning_rate: {loguniform: [1e-5, 1e-3]}}\n"
COMPLETE, FAIL = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def load(text: str = SPACE, *overrides: str) -> Sweep:
        path = tmp_path / "space.yaml"
        path.write_text(text)
        return load_sweep(path, overrides)

    return load


def finished(job: Job, objective: float | None = 0.5) -> TrialRecord:
    """Return the job's record as the trial log passes it on; None for a failed trial."""
    return TrialRecord(
        sweep_id="s",
        trial_id=job.trial_id,
        role=job.role,
        status="failed" if objective is None else "completed",
        config=job.config,
        config_hash=content_hash(job.config),
        params=job.params,
        started_at="",
        objective=objective,
        objectives=() if objective is None else (objective,),
    )


def begun(search: Search) -> list[optuna.trial.FrozenTrial]:
    """Return the study's trials that were run, without those that were only drawn."""
    return [trial for trial in search.study.trials if "trial_id" in trial.user_attrs]


def run(search: Search, count: int, objectives: Sequence[float | None] = (0.5,)) -> list[TrialRecord]:
    """Run `count` trials one after another."""
    records = []
    for number in range(count):
        job = search.ask()
        assert job is not None
        records.append(finished(job, objectives[number % len(objectives)]))
        search.tell(records[-1])
    return records


class TestAskAndTell:
    def test_enqueued_points_come_first_as_valid_jobs(self, load: Any) -> None:
        search = Search(load(), [])
        first, second, third = (search.ask() for _ in range(3))
        assert first is not None
        assert (first.trial_id, first.role, first.label) == ("search-001", "search", "true, 6 tokens")
        assert first.params == {"preview": "true", "preview.true.length_tokens": 6}
        assert TrialConfig.model_validate(first.config).model_dump(mode="json") == first.config
        assert first.trains
        assert second is not None
        assert (second.trial_id, second.label) == ("search-002", "virtual, “Well,”")
        assert third is not None
        assert third.trial_id == "search-003"

    def test_parameters_are_those_that_exist_in_the_option(self, load: Any) -> None:
        strategies = set()
        for record in run(Search(load(), []), 10):
            strategy = record.config["preview"]["strategy"]
            own = {"true": "preview.true.length_tokens", "virtual": "preview.virtual.prefix"}[strategy]
            assert record.params.keys() == {"preview", own}
            assert record.params["preview"] == strategy
            assert record.params[own] in record.config["preview"].values()
            strategies.add(strategy)
        assert strategies == {"true", "virtual"}

    def test_dimensions_missing_in_a_point_are_sampled(self, load: Any) -> None:
        job = Search(load(SPACE, "search.enqueue=[{preview: virtual}]"), []).ask()
        assert job is not None
        assert job.params.keys() == {"preview", "preview.virtual.prefix"}

    @pytest.mark.parametrize("seed", range(6))
    def test_a_point_is_completed_to_a_configuration_that_is_new(self, load: Any, seed: int) -> None:
        text = "preview: {choice: [{strategy: none}, {strategy: true, length_tokens: 3}]}\n"
        rates = "training: {learning_rate: {choice: [1.0e-5, 1.0e-4]}}\n"
        point = ("search.enqueue=[{preview: none}]", f"search.seed={seed}")
        sweep = load(f"task: {{name: word_problems}}\n{text}{rates}", *point)
        references = [finished(job) for job in reference_jobs(sweep, [])]  # vanilla has the rate 1e-5
        job = Search(sweep, references).ask()
        assert job is not None
        assert job.params == {"preview": "none", "training.learning_rate": 1e-4}

    @pytest.mark.parametrize("prefix", ["So, ", "Well, "])
    def test_a_dimension_of_an_option_chooses_the_option(self, load: Any, prefix: str) -> None:
        for seed in range(4):
            point = f"search.enqueue=[{{preview.virtual.prefix: '{prefix}'}}]"
            job = Search(load(SPACE, point, f"search.seed={seed}"), []).ask()
            assert job is not None
            assert job.params == {"preview": "virtual", "preview.virtual.prefix": prefix}

    def test_a_dimension_of_another_option_is_refused(self, load: Any) -> None:
        point = "{preview: true, preview.virtual.prefix: 'So, '}"
        expected = r"search\.enqueue\[1\]: preview\.virtual\.prefix needs preview: virtual, got 'true'$"
        with pytest.raises(ConfigError, match=expected):
            load(SPACE, f"search.enqueue=[{{preview: true}}, {point}]")

    def test_the_sampler_gets_objectives_and_failures(self, load: Any) -> None:
        search = Search(load(SPACE + LEARNING_RATE), [])
        run(search, 4, [0.25, None, 0.75, 0.5])
        trials = begun(search)
        assert [trial.state for trial in trials] == [COMPLETE, FAIL, COMPLETE, COMPLETE]
        assert [trial.value for trial in trials] == [0.25, None, 0.75, 0.5]
        assert search.study.best_value == 0.75

    @pytest.mark.parametrize("sampler", ["tpe", "random"])
    def test_the_seed_decides_the_suggestions(self, load: Any, sampler: str) -> None:
        def params(seed: int) -> list[dict[str, Any]]:
            overrides = (f"search.sampler={{name: {sampler}}}", f"search.seed={seed}", "search.enqueue=[]")
            sweep = load(SPACE + LEARNING_RATE, *overrides)
            return [record.params for record in run(Search(sweep, []), 12)]

        assert params(0) == params(0)
        assert params(0) != params(1)

    def test_a_better_region_is_visited_more_often(self, load: Any) -> None:
        text = "task: {name: word_problems}\ntraining: {weight_decay: {uniform: [0.0, 1.0]}}\n"
        search = Search(load(text), [])
        values = []
        for _ in range(40):
            job = search.ask()
            assert job is not None
            values.append(job.params["training.weight_decay"])
            search.tell(finished(job, 1 - abs(values[-1] - 0.8)))
        assert sum(abs(value - 0.8) < 0.2 for value in values[20:]) >= 14  # 8 by chance


class TestRepeats:
    def test_no_configuration_is_run_twice_and_the_space_ends(self, load: Any) -> None:
        search = Search(load(FINITE), [])
        records = run(search, 3)
        assert {record.params["preview.length_tokens"] for record in records} == {1, 2, 3}
        assert search.ask() is None

    def test_draws_that_are_not_run_are_invisible_to_the_sampler(self, load: Any) -> None:
        search = Search(load(FINITE), [])
        run(search, 3, [0.1, 0.2, None])
        search.ask()
        seen = [trial for trial in search.study.trials if trial.state != FAIL]
        assert [trial.value for trial in seen] == [0.1, 0.2]

    def test_what_is_running_is_not_started_again(self, load: Any) -> None:
        search = Search(load(FINITE), [])
        jobs = [search.ask() for _ in range(3)]
        assert len({job.config["preview"]["length_tokens"] for job in jobs if job}) == 3
        assert search.ask() is None

    def test_equal_points_are_tried_once(self, load: Any) -> None:
        search = Search(
            load(FINITE, "search.enqueue=[{preview.length_tokens: 2}, {preview.length_tokens: 2}]"), []
        )
        assert [record.params["preview.length_tokens"] for record in run(search, 3)].count(2) == 1


class TestGoingOn:
    def test_numbering_continues_and_no_trial_is_repeated(self, load: Any) -> None:
        sweep = load()
        committed = run(Search(sweep, []), 5, [0.5, None, 0.25])
        search = Search(sweep, committed)
        assert [trial.value for trial in begun(search)] == [record.objective for record in committed]
        more = run(search, 4)
        assert [record.trial_id for record in more] == [f"search-{n:03d}" for n in (6, 7, 8, 9)]
        hashes = [record.config_hash for record in [*committed, *more]]
        assert len(set(hashes)) == len(hashes)

    def test_numbers_go_on_after_the_highest_not_after_the_count(self, load: Any) -> None:
        committed = run(Search(load(), []), 3)
        job = Search(load(), [committed[2]]).ask()
        assert job is not None
        assert job.trial_id == "search-004"

    def test_points_that_were_tried_are_not_enqueued_again(self, load: Any) -> None:
        sweep = load(
            SPACE, "search.enqueue=[{preview: virtual}, {preview: true, preview.true.length_tokens: 9}]"
        )
        first = run(Search(sweep, []), 1)
        job = Search(sweep, first).ask()
        assert job is not None
        assert job.params == {"preview": "true", "preview.true.length_tokens": 9}
        both = run(Search(sweep, []), 2)
        assert not any("fixed_params" in trial.system_attrs for trial in Search(sweep, both).study.trials)

    @pytest.mark.parametrize(
        "enqueue",
        [
            "[{preview: true, preview.true.length_tokens: 9}, {preview: true}]",
            "[{preview: true}, {preview: true}, {preview: true}]",
            "[{preview: true}, {preview: true, preview.true.length_tokens: 9}]",
        ],
    )
    def test_points_that_fit_the_same_trial_are_all_tried(self, load: Any, enqueue: str) -> None:
        sweep = load(SPACE + LEARNING_RATE, f"search.enqueue={enqueue}")
        whole = [record.params for record in run(Search(sweep, []), 5)]
        for ended in range(1, 4):
            committed = run(Search(sweep, []), ended)
            rest = run(Search(sweep, committed[::-1]), 5 - ended)
            assert [record.params for record in committed + rest] == whole

    def test_a_search_that_goes_on_with_other_resources_repeats_no_point(self, load: Any) -> None:
        sweep = load(FINITE, "search.sampler={name: grid}", "search.enqueue=[]")
        whole = run(Search(sweep, []), 3)
        elsewhere = [replace(record, config={**record.config, "workers": 7}) for record in whole[:2]]
        rest = run(Search(sweep, elsewhere), 1)
        assert [record.params for record in rest] == [record.params for record in whole[2:]]

    def test_a_resumed_random_search_makes_new_draws(self, load: Any) -> None:
        sweep = load(SPACE + LEARNING_RATE, "search.sampler={name: random}", "search.enqueue=[]")
        committed = run(Search(sweep, []), 60)
        # a repetition of the same 60 draws would look like an exhausted space
        assert run(Search(sweep, committed), 3)

    def test_references_are_no_suggestions(self, load: Any) -> None:
        sweep = load()
        references = [finished(job) for job in reference_jobs(sweep, [])]
        search = Search(sweep, references)
        # the space has no vanilla, and a part of its point would mislead the samplers
        assert begun(search) == []
        job = search.ask()
        assert job is not None
        assert job.trial_id == "search-001"


class TestReferences:
    def test_seed_model_and_vanilla_come_first(self, load: Any) -> None:
        sweep = load()
        seed, vanilla = reference_jobs(sweep, [])
        assert (seed.trial_id, seed.role, seed.label, seed.trains) == ("seed", "seed", "seed model", False)
        assert (vanilla.trial_id, vanilla.role, vanilla.trains) == ("vanilla", "vanilla", True)
        assert vanilla.config == sweep.reference().model_dump(mode="json")
        assert vanilla.config["preview"] == {"strategy": "none"}

    def test_completed_ones_are_kept_and_failed_ones_run_again(self, load: Any) -> None:
        sweep = load()
        seed, vanilla = (finished(job) for job in reference_jobs(sweep, []))
        assert reference_jobs(sweep, [seed, vanilla]) == []
        failed = replace(vanilla, status="failed")
        (again,) = reference_jobs(sweep, [seed, failed])
        assert (again.trial_id, again.role) == ("vanilla-2", "vanilla")
        again_failed = replace(failed, trial_id="vanilla-2")
        assert [job.trial_id for job in reference_jobs(sweep, [failed, again_failed])] == [
            "seed",
            "vanilla-3",
        ]


@pytest.mark.parametrize("role", ["seed", "vanilla", "search"])
def test_a_job_holds_the_resolved_configuration(load: Any, role: Role) -> None:
    config = load().reference()
    job = make_job("t", role, config, {"x": 1})
    assert TrialConfig.model_validate(job.config) == config
    assert job.params == {"x": 1}
