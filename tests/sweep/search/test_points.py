"""Trainings that measure several shares of a merge: what is reported to the sampler, and resumed searches."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lookahead_ray.config.load import Sweep, content_hash
from lookahead_ray.config.merge import point_configs
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.sweep.search.jobs import reference_jobs
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.sweep.search.study import representative_points
from lookahead_ray.sweep.search.warm_start import EarlierRun, warm_start
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.trainings import points_of_vanilla, search_trials
from tests.factory import make_measurement
from tests.sweep.search.searching import asked, begun, load, record_of

SPACE = """
task: {name: word_problems}
preview: {strategy: true, length_tokens: {int: [1, 12]}}
merge: {share: [1.0, 0.75, 0.5]}
training: {learning_rate: {loguniform: [1e-5, 1e-3]}}
"""
PARETO = ("objective={name: pareto}",)
Values = Sequence[Sequence[float]]


def points_of(job: Job, values: Values, constraints: Sequence[float | None] = ()) -> list[TrialRecord]:
    """Return the records of a training, one for each share, with these objectives."""
    records = []
    parts = zip(point_configs(job.config), values, constraints or [None] * len(values), strict=True)
    for number, (config, objectives, constraint) in enumerate(parts, start=1):
        trial_id = job.trial_id if number == 1 else f"{job.trial_id}.{number}"
        record = record_of(replace(job, trial_id=trial_id, config=config), objectives, constraint)
        records.append(replace(record, training_id=job.trial_id))
    return records


def tell(search: Search, points: Sequence[TrialRecord]) -> None:
    search.tell(points[0], further=points[1:])


def measured(number: int, size: int = 1) -> list[tuple[float, ...]]:
    """Return objectives of three points that differ by the number of the training."""
    base = (number * 7 % 10) / 10
    return [(base + 0.1 * share, base - 0.1 * share)[:size] for share in (0, 1, 2)]


def run(search: Search, count: int, size: int = 1) -> list[TrialRecord]:
    records: list[TrialRecord] = []
    for number in range(count):
        points = points_of(asked(search), measured(number, size))
        tell(search, points)
        records += points
    return records


def test_a_suggestion_is_a_training_with_all_shares(tmp_path: Path) -> None:
    job = asked(Search(load(tmp_path, SPACE), []))
    assert job.config["merge"]["share"] == [1.0, 0.75, 0.5]
    assert job.label.startswith("true, ")
    assert "shares 1, 0.75, 0.5" in job.label
    assert set(job.params) == {"preview.length_tokens", "training.learning_rate"}


def test_with_one_value_the_sampler_is_told_the_best_point(tmp_path: Path) -> None:
    search = Search(load(tmp_path, SPACE), [])
    job = asked(search)
    tell(search, points_of(job, [(0.2,), (0.6,), (0.4,)]))
    (trial,) = begun(search)
    assert (trial.values, trial.params) == ([0.6], job.params)
    assert (trial.user_attrs["trial_id"], trial.user_attrs["point"]) == ("search-001", "search-001.2")


def test_under_a_floor_it_is_the_best_that_keeps_it_or_else_the_one_that_misses_it_least(
    tmp_path: Path,
) -> None:
    search = Search(load(tmp_path, SPACE, ("objective={name: floor, floor: 0.9}",)), [])
    tell(search, points_of(asked(search), [(0.9,), (0.6,), (0.5,)], [0.1, -0.01, -0.2]))
    tell(search, points_of(asked(search), [(0.9,), (0.6,), (0.5,)], [0.3, 0.2, 0.1]))
    assert [trial.values for trial in begun(search)] == [[0.6], [0.5]]


def test_with_several_values_it_is_told_the_trainings_own_front(tmp_path: Path) -> None:
    search = Search(load(tmp_path, SPACE, PARETO), [])
    job = asked(search)
    tell(search, points_of(job, [(0.2, 0.5), (0.6, 0.6), (0.9, 0.1)]))
    first, second = begun(search)
    assert (first.values, second.values) == ([0.6, 0.6], [0.9, 0.1])
    assert first.params == second.params == job.params
    assert [trial.user_attrs["trial_id"] for trial in (first, second)] == ["search-001", "search-001.3"]


def test_equal_and_failed_points_are_told_once(tmp_path: Path) -> None:
    job = asked(Search(load(tmp_path, SPACE, PARETO), []))
    equal = points_of(job, [(0.5, 0.5), (0.5, 0.5), (0.4, 0.6)])
    assert representative_points(equal) == [equal[0], equal[2]]
    unscored = points_of(job, [(), (), ()])
    assert representative_points(unscored) == [unscored[0]]


def test_an_unjudged_point_holds_its_training_back(tmp_path: Path) -> None:
    search = Search(load(tmp_path, SPACE), [])
    points = points_of(asked(search), measured(1))
    waiting = replace(points[2], status="unjudged", objectives=(), objective=None)
    tell(search, [points[0], points[1], waiting])
    assert [trial.state.is_finished() for trial in begun(search)] == [False]
    tell(search, points)
    assert [trial.state.is_finished() for trial in begun(search)] == [True]


@pytest.mark.parametrize(("objective", "size"), [((), 1), (PARETO, 2)], ids=["weighted", "pareto"])
@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2"])
def test_a_resumed_search_suggests_what_an_uninterrupted_one_does(
    tmp_path: Path, sampler: str, objective: tuple[str, ...], size: int
) -> None:
    small = "population_size: 3" if sampler == "nsga2" else "startup_trials: 3"
    sweep = load(tmp_path, SPACE, (*objective, f"search.sampler={{name: {sampler}, {small}}}"))
    whole = run(Search(sweep, [], tmp_path / "whole"), 6, size)
    first = Search(sweep, [], tmp_path / "journal")
    committed = run(first, 4, size)
    resumed = Search(sweep, committed, tmp_path / "journal")
    rest = []
    for number in (4, 5):
        points = points_of(asked(resumed), measured(number, size))
        tell(resumed, points)
        rest += points
    assert [(r.trial_id, r.params) for r in committed + rest] == [(r.trial_id, r.params) for r in whole]
    told = [trial.values for trial in begun(resumed)]
    assert len(told) == 6 if size == 1 else len(told) > 6


def test_further_points_are_no_startup_trials(tmp_path: Path) -> None:
    """Before 4 trainings the draws are the random ones, however many points were told."""
    sweep = load(tmp_path, SPACE, (*PARETO, "search.sampler={name: tpe, startup_trials: 4}"))
    random = load(tmp_path, SPACE, (*PARETO, "search.sampler={name: tpe, startup_trials: 99}"))
    drawn, expected = (run(Search(each, []), 5, 2) for each in (sweep, random))
    assert [record.params for record in drawn[:12]] == [record.params for record in expected[:12]]
    assert drawn[12].params != expected[12].params


def test_a_tried_training_is_not_tried_again_after_a_resumption(tmp_path: Path) -> None:
    text = "task: {name: word_problems}\npreview: {strategy: true, length_tokens: {int: [1, 3]}}\n"
    sweep = load(tmp_path, f"{text}merge: {{share: [1.0, 0.5, 0.2]}}\n")
    committed = run(Search(sweep, []), 2)
    resumed = Search(sweep, committed)
    lengths = {record.params["preview.length_tokens"] for record in committed}
    assert asked(resumed).params["preview.length_tokens"] not in lengths
    assert resumed.ask() is None


def test_a_failed_training_is_not_tried_again(tmp_path: Path) -> None:
    sweep: Sweep = load(tmp_path, "task: {name: word_problems}\nmerge: {share: [1.0, 0.5]}\n")
    job = asked(Search(sweep, []))
    failed = replace(record_of(job, ()), training_id=job.trial_id)
    assert failed.config_hash == content_hash(job.config)
    assert Search(sweep, [failed]).ask() is None


def test_a_training_that_was_running_is_run_again_with_all_shares(tmp_path: Path) -> None:
    sweep = load(tmp_path, SPACE)
    job = asked(Search(sweep, [], tmp_path / "journal"))
    assert asked(Search(sweep, [], tmp_path / "journal")) == job


WITH_VANILLA = """
task: {name: word_problems}
preview: {choice: [{strategy: none}, {strategy: true}]}
merge: {share: [1.0, 0.5]}
"""


def measured_references(sweep: Sweep) -> list[TrialRecord]:
    """Return the seed model, and vanilla with all its shares."""
    seed, vanilla = reference_jobs(sweep, [])
    values = [(0.3 + 0.1 * number,) for number, _ in enumerate(point_configs(vanilla.config))]
    first, *further = points_of(vanilla, values)
    return [record_of(seed), first, *(replace(record, role="search") for record in further)]


@pytest.mark.parametrize("committed", [False, True])
def test_vanilla_with_its_shares_is_known_to_the_search_and_not_trained_again(
    tmp_path: Path, committed: bool
) -> None:
    sweep = load(tmp_path, WITH_VANILLA)
    seed, vanilla, point = found = measured_references(sweep)
    search = Search(sweep, found if committed else [])
    if not committed:
        search.learn_references(ReferenceTrials(seed, vanilla), [point])
    (known,) = begun(search)
    assert (known.values, known.params) == ([0.4], {"preview": "none"})
    assert (known.user_attrs["trial_id"], known.user_attrs["point"]) == ("vanilla", "vanilla.2")
    assert asked(search).label == "true, 6 tokens, shares 1, 0.5"
    assert search.ask() is None


def test_vanilla_is_told_once_all_its_points_are_judged(tmp_path: Path) -> None:
    sweep = load(tmp_path, WITH_VANILLA)
    seed, vanilla, point = measured_references(sweep)
    waiting = replace(point, status="unjudged", objectives=(), objective=None)
    search = Search(sweep, [seed, vanilla, waiting], tmp_path / "journal")
    assert [trial.state.is_finished() for trial in begun(search)] == [False]
    assert "no preview" not in asked(search).label
    search.learn_references(ReferenceTrials(seed, vanilla), [point])
    assert next(trial.values for trial in begun(search)) == [0.4]


LAYERS = "{name: layers, share: [1.0, 0.5], base_path: embedded-unaligned, threshold: {choice: [0.5, 0.7]}}"


@pytest.mark.parametrize(
    ("merge", "params"),
    [
        (
            "{choice: [{name: linear, share: [1.0, 0.5]}, {name: layers, share: [0.5, 0.2], "
            "base_path: embedded-unaligned}]}",
            {"merge": "linear"},
        ),
        (LAYERS, {"merge.threshold": 0.5}),
    ],
)
def test_vanilla_is_in_a_space_of_merges_with_the_merge_of_its_training(
    tmp_path: Path, merge: str, params: dict[str, object]
) -> None:
    sweep = load(tmp_path, WITH_VANILLA.replace("{share: [1.0, 0.5]}", merge))
    found = measured_references(sweep)
    search = Search(sweep, found)
    (known,) = begun(search)
    assert (known.values, known.params) == ([0.4], {"preview": "none", **params})
    suggested = [asked(search).config for _ in range(3)]
    assert search.ask() is None
    known_configs = [record.config for record in found]
    assert not any(all(one in known_configs for one in point_configs(each)) for each in suggested)


def test_only_points_of_vanilla_that_the_space_has_are_told(tmp_path: Path) -> None:
    """Shares below 1 alone: no trial of the space can be vanilla as trained."""
    sweep = load(tmp_path, WITH_VANILLA.replace("[1.0, 0.5]", "[0.5, 0.25]"))
    seed, vanilla, *points = measured_references(sweep)
    better = replace(vanilla, objective=0.9, objectives=(0.9,))
    (known,) = begun(Search(sweep, [seed, better, *points]))
    assert (known.values, known.user_attrs["role"]) == ([0.5], "vanilla")


def test_vanilla_of_an_older_run_lacks_its_shares_and_is_trained_with_them(tmp_path: Path) -> None:
    sweep = load(tmp_path, WITH_VANILLA)
    seed, vanilla, _ = measured_references(sweep)
    search = Search(sweep, [seed, vanilla])
    assert begun(search) == []
    labels = {asked(search).label for _ in range(2)}
    assert labels == {"no preview, shares 1, 0.5", "true, 6 tokens, shares 1, 0.5"}


def test_further_points_of_vanilla_are_no_suggestions(tmp_path: Path) -> None:
    sweep = load(tmp_path, SPACE)
    records = measured_references(sweep)
    assert [record.trial_id for record in points_of_vanilla(records)] == ["vanilla.2", "vanilla.3"]
    search = Search(sweep, records)
    assert begun(search) == []  # the space has no vanilla
    points = points_of(asked(search), measured(1))
    assert points[0].trial_id == "search-001"
    assert search_trials([*records, *points]) == points


@pytest.mark.parametrize(
    ("shares", "taken"),
    [
        ([1, 0.75, 0.5], ["seed", "vanilla", "vanilla.2", "vanilla.3"]),
        ([1, 0.5], ["seed", "vanilla", "vanilla.3"]),
        ([1, 0.6], ["seed"]),
    ],
)
def test_an_earlier_vanilla_is_taken_over_with_all_shares_or_not(
    tmp_path: Path, shares: list[float], taken: list[str]
) -> None:
    versions = {"torch": "2.13.0"}
    there = measured_references(load(tmp_path, SPACE))
    records = [replace(record, measurement=make_measurement(versions=versions)) for record in there]
    sweep = load(tmp_path, SPACE, (f"merge.share={shares}",))
    found = warm_start(sweep, {}, [EarlierRun("old", {}, records)], versions)
    assert [record.trial_id for record in found.references] == taken
    names = "seed and vanilla" if len(taken) > 1 else "seed"
    assert found.lines == ("warm start from old: 0 of 0 trials", f"{names} as measured in old")


def test_points_of_an_earlier_run_fit_a_space_with_their_share(tmp_path: Path) -> None:
    sweep = load(tmp_path, SPACE)
    records = [replace(record, status="completed") for record in run(Search(sweep, []), 2)]
    found = warm_start(sweep, {}, [EarlierRun("runs/old", {}, records)], {})
    assert [trial.name for trial in found.trials] == [f"runs/old/{record.trial_id}" for record in records]
    other = load(tmp_path, SPACE, ("merge.share=[1.0, 0.5]",))
    fewer = warm_start(other, {}, [EarlierRun("runs/old", {}, records)], {})
    assert [trial.record.config.get("merge", {}).get("share", 1.0) for trial in fewer.trials] == [
        1.0,
        0.5,
    ] * 2


def test_a_training_with_chosen_shares_is_tried_once(tmp_path: Path) -> None:
    text = "task: {name: word_problems}\nmerge: {share: auto}\nobjective: {name: floor, floor: 0.9}\n"
    sweep = load(tmp_path, text)
    job = asked(Search(sweep, []))
    assert (job.label, job.config["merge"]["share"]) == ("no preview, share auto", "auto")
    whole = {key: value for key, value in job.config.items() if key != "merge"}
    only = replace(record_of(replace(job, config=whole), (0.5,)), training_id=job.trial_id)
    assert Search(sweep, [only]).ask() is None
