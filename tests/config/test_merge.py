"""Merges in space files: defaults, bounds, dimensions; a configuration without one is as before."""

import re
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.dimension import Dimension, Value
from lookahead_ray.config.load import REFERENCE_SHARES, Sweep, load_sweep, trial_json
from lookahead_ray.config.merge import LayersMerge, LinearMerge, join_points, point_configs
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep.search.references import vanilla_point

TASK = "task: {name: word_problems, train_examples: 8}\n"
LAYERS = "{name: layers, share: 0.5, base_path: org/base}"


def load(tmp_path: Path, text: str, *overrides: str) -> Sweep:
    path = tmp_path / "space.yaml"
    path.write_text(TASK + text)
    return load_sweep(path, overrides)


def config(tmp_path: Path, text: str, **values: Value) -> TrialConfig:
    """Return the trial of a space with these values, by the last parts of the dimensions' names."""

    def suggest(dimension: Dimension) -> Value:
        return values[dimension.name.rpartition(".")[2]]

    return load(tmp_path, text).trial(suggest)


def test_only_the_share_needs_to_be_given(tmp_path: Path) -> None:
    assert config(tmp_path, "merge: {share: 0.5}").merge == LinearMerge(share=0.5)
    assert config(tmp_path, "merge: {name: linear, share: 0}").merge == LinearMerge(share=0.0)
    assert config(tmp_path, f"merge: {LAYERS}").merge == LayersMerge(
        name="layers", share=0.5, threshold=0.7, base_path="org/base"
    )


@pytest.mark.parametrize(
    "text", ["", "merge: {}", "merge: {share: 1}", f"merge: {LAYERS.replace('0.5', '1.0')}"]
)
def test_all_of_the_change_is_no_merge(tmp_path: Path, text: str) -> None:
    """The configuration as JSON, which identifies a trial, is the same as before merges existed."""
    found = config(tmp_path, text)
    assert found.merge == LinearMerge()
    assert not found.merge.changes_weights
    assert "merge" not in trial_json(found)
    assert TrialConfig.model_validate(trial_json(found)) == found


@pytest.mark.parametrize("text", ["merge: {share: 0.25}", f"merge: {LAYERS}"])
def test_a_merge_survives_json(tmp_path: Path, text: str) -> None:
    found = config(tmp_path, text)
    assert found.merge.changes_weights
    assert trial_json(found)["merge"]["name"] == found.merge.name
    assert TrialConfig.model_validate(trial_json(found)) == found
    assert TrialConfig.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("merge: {share: {uniform: [0.2, 0.8]}}", {"share": 0.3}, LinearMerge(share=0.3)),
        ("merge: {share: {choice: [1.0, 0.5]}}", {"share": 0.5}, LinearMerge(share=0.5)),
        (
            f"merge: {{choice: [{{name: linear, share: {{uniform: [0.0, 1.0]}}}}, {LAYERS}]}}",
            {"merge": "linear", "share": 0.1},
            LinearMerge(share=0.1),
        ),
    ],
)
def test_a_share_may_be_searched(
    tmp_path: Path, text: str, values: dict[str, Value], expected: LinearMerge
) -> None:
    assert config(tmp_path, text, **values).merge == expected


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("merge: {share: {uniform: [0.2, 1.0]}}", {"merge.share": 1.0}),
        ("merge: {share: {choice: [0.5, 1]}}", {"merge.share": 1}),
        ("merge: {share: {uniform: [0.2, 0.9]}}", None),
        ("merge: {share: {choice: [0.5, 0.75]}}", None),
        ("merge: {share: 0.5}", None),
        (f"merge: {{choice: [{LAYERS}, {{name: linear, share: 1.0}}]}}", {"merge": "linear"}),
        ("merge: {share: 1.0}\ntraining: {epochs: {int: [2, 4]}}", {"training.epochs": 3}),
    ],
)
def test_references_are_never_merged_and_known_as_a_point(
    tmp_path: Path, text: str, point: dict[str, Any] | None
) -> None:
    sweep = load(tmp_path, text)
    assert not sweep.reference().merge.changes_weights
    assert "merge" not in trial_json(sweep.reference())
    assert vanilla_point(sweep) == point


@pytest.mark.parametrize(
    ("assignment", "rule"),
    [
        ("merge={share: 1.5}", "merge.share: input should be less than or equal to 1, got 1.5"),
        ("merge={share: -0.1}", "merge.share: input should be greater than or equal to 0, got -0.1"),
        ("merge={share: [1, 1.5]}", "merge.share.1: input should be less than or equal to 1, got 1.5"),
        ("merge={share: []}", "merge.share: "),
        ("merge={share: half}", "merge.share: input should be 'auto', got 'half'"),
        ("merge={share: {uniform: [0, 2]}}", "merge.share: input should be less than or equal to 1, got 2"),
        ("merge={part: 0.5}", "merge.part: unknown field for the variant 'linear', got 0.5"),
        ("merge={name: slerp, share: 0.5}", "merge: 'name' must be one of 'linear', 'layers', got 'slerp'"),
        ("merge={name: layers, share: 0.5}", "merge.base_path: required field is missing"),
        ("merge={name: layers, base_path: x}", "merge.share: required field is missing"),
        (
            "merge={name: layers, share: 0, base_path: x, threshold: 2}",
            "merge.threshold: input should be less than or equal to 1, got 2",
        ),
        ("merge=0.5", "merge: must be a mapping"),
    ],
)
def test_invalid_values_are_refused(tmp_path: Path, assignment: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "", assignment)
    assert str(caught.value).startswith(f"--set {assignment}: {rule}")


def test_early_stopping_is_refused_where_a_trial_is_merged(tmp_path: Path) -> None:
    stopping = "search: {stopping: {}}\n"
    assert load(tmp_path, stopping + "merge: {share: 1.0}").search.stopping
    for merge in (
        "merge: {share: [1.0, 0.5]}",
        "merge: {share: 0.5}",
        "merge: {share: {uniform: [0.5, 1.0]}}",
    ):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, f"{stopping}{merge}")
        rule = "search.stopping: must be null with a merge, because the signals are measured before it"
        assert str(caught.value) == f"{tmp_path / 'space.yaml'}: {rule}"


def test_an_override_replaces_the_other_variants_fields(tmp_path: Path) -> None:
    sweep = load(tmp_path, f"merge: {LAYERS}", "merge.name=linear")
    assert sweep.trial(lambda dimension: None).merge == LinearMerge(share=0.5)


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("merge: {share: [0.5, 1, 0.75, 0.5]}", [1.0, 0.75, 0.5]),
        (f"merge: {LAYERS.replace('0.5', '[1.0, 0.5]')}", [1.0, 0.5]),
    ],
)
def test_several_shares_are_points_of_one_training(tmp_path: Path, text: str, shares: list[float]) -> None:
    found = config(tmp_path, text)
    assert list(found.merge.shares) == trial_json(found)["merge"]["share"] == shares
    assert TrialConfig.model_validate(trial_json(found)) == found
    alone = [config(tmp_path, re.sub(r"\[.*\]", str(share), text)) for share in shares]
    assert list(found.points) == alone
    points = point_configs(trial_json(found))
    assert points == [trial_json(each) for each in alone]
    assert join_points(points) == [trial_json(found)]
    with pytest.raises(ValueError, match="must be one number here"):
        _ = found.merge.kept


def test_a_list_of_one_share_is_that_share(tmp_path: Path) -> None:
    assert config(tmp_path, "merge: {share: [0.5]}") == config(tmp_path, "merge: {share: 0.5}")
    assert "merge" not in trial_json(config(tmp_path, "merge: {share: [1.0]}"))
    whole = config(tmp_path, "")
    assert whole.points == (whole,)


def test_points_of_different_trainings_are_not_joined(tmp_path: Path) -> None:
    other = config(tmp_path, "merge: {share: 0.5}").model_copy(update={"seed": 7})
    points = [trial_json(point) for point in (*config(tmp_path, "merge: {share: [1.0, 0.5]}").points, other)]
    layers = trial_json(config(tmp_path, f"merge: {LAYERS}"))
    joined = join_points([points[0], layers, points[2], points[1]])
    assert [point_configs(training) for training in joined] == [[points[0], layers], [points[2]], [points[1]]]


def test_vanilla_keeps_all_of_its_change(tmp_path: Path) -> None:
    sweep = load(tmp_path, "merge: {share: [1.0, 0.5]}")
    assert not sweep.reference().merge.changes_weights
    assert vanilla_point(sweep) == {}


@pytest.mark.parametrize(
    ("merge", "shares"),
    [
        ("{share: [1.0, 0.5]}", [1.0, 0.5]),
        ("{share: [0.8, 0.6]}", [1.0, 0.8, 0.6]),  # the reference comes first
        ("{share: 0.5}", [1.0]),
        ("{share: {choice: [1.0, 0.5]}}", [1.0]),
        ("{choice: [{share: [1.0, 0.5]}, {share: 0.3}]}", [1.0, 0.5]),
        ("{share: auto}", list(REFERENCE_SHARES)),
    ],
)
def test_vanilla_is_measured_at_all_shares_of_the_space(
    tmp_path: Path, merge: str, shares: list[float]
) -> None:
    sweep = load(tmp_path, f"merge: {merge}\nobjective: {{name: pareto}}")
    training = sweep.reference_training()
    assert [point.merge.kept for point in training.points] == shares
    assert training.points[0] == sweep.reference()
    assert all(point.preview == sweep.reference().preview for point in training.points)


def test_vanilla_is_measured_with_the_merge_of_the_space(tmp_path: Path) -> None:
    layers = LAYERS.replace("share: 0.5", "share: [0.5, 0.2]")
    assert layers != LAYERS
    points = load(tmp_path, f"merge: {layers}").reference_training().points
    assert [(point.merge.name, point.merge.kept) for point in points] == [
        ("linear", 1.0),
        ("layers", 0.5),
        ("layers", 0.2),
    ]


@pytest.mark.parametrize("objective", ["{name: floor, floor: 0.9}", "{name: pareto}", "{}"])
def test_shares_may_be_chosen_by_the_objective(tmp_path: Path, objective: str) -> None:
    sweep = load(tmp_path, f"merge: {{share: auto}}\nobjective: {objective}")
    found = sweep.trial(lambda dimension: None)
    assert trial_json(found)["merge"] == {"name": "linear", "share": "auto"}
    assert (found.merge.shares, found.merge.changes_weights) == ((1.0, 0.0), True)
    assert TrialConfig.model_validate(trial_json(found)) == found
    assert found.at_share(0.25) == config(tmp_path, "merge: {share: 0.25}")
    assert found.points == (config(tmp_path, ""),)
