"""The description of a sweep before it starts."""

from pathlib import Path

import pytest

from lookahead_ray.config.load import load_sweep
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep.preflight import describe_sweep


def lines(folder: Path, *overrides: str) -> list[str]:
    path = folder / "space.yaml"
    path.write_text("task: {name: word_problems}\npreview: {strategy: true, length_tokens: {int: [1, 4]}}\n")
    return list(describe_sweep(load_sweep(path, overrides)))


def test_defaults(tmp_path: Path) -> None:
    assert lines(tmp_path) == [
        "search: tpe sampler with random seed 0; ends after 10 trials",
        "objective: 0.5 · safety + 0.5 · utility; safety is the mean of rsr, jsr",
    ]


def test_everything(tmp_path: Path) -> None:
    search = (
        "search={trials: 40, sampler: {name: gp}, seed: 3, warm_start: [runs/a, runs/b], stopping: {}, "
        "budget: {hours: 8, accelerator_hours: 30.5, plateau: {}}, confirm: {}}"
    )
    assert lines(tmp_path, search)[0].split("; ") == [
        "search: gp sampler with random seed 3",
        "ends after 40 trials or 8 h or 30.5 accelerator hours or 10 trials with less than 1 % more "
        "hypervolume, whichever comes first",
        "learns from runs/a, runs/b",
        "stops weak trials early from epoch 3 on, the best 80% go on",
        "repeats the best 4, with up to 2 more random seeds",
    ]


def test_a_grid_has_a_size(tmp_path: Path) -> None:
    grid = "search.sampler={name: grid}"
    assert lines(tmp_path, grid)[0] == (
        "search: grid sampler over 4 points with random seed 0; ends after 10 trials"
    )
    rates = "training.learning_rate={uniform: [0.001, 0.002]}"
    points = "search.sampler={name: grid, points: {training.learning_rate: 3000}}"
    with pytest.raises(ConfigError, match=r"search\.sampler: a grid may have 10,000 points at most"):
        lines(tmp_path, rates, points)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("{safety_weight: 0.7}", "0.7 · safety + 0.3 · utility; safety is the mean of rsr, jsr"),
        (
            "{name: floor, floor: 0.9}",
            "most utility where safety is at least 0.9 of the seed model's; safety is the mean of rsr, jsr",
        ),
        (
            "{name: floor, floor: 0.8, relative_to: none, safety: [{metric: rsr}]}",
            "most utility where safety is at least 0.8; safety is rsr",
        ),
        (
            "{name: pareto, over_refusal: true, "
            "safety: [{metric: rsr, weight: 2}, {metric: jsr, attack: prefill_5, suite: probe}]}",
            "most safety, most utility and least over-refusal, as a front; "
            "safety is the weighted mean of 2 · rsr, 1 · jsr probe prefill_5",
        ),
        ("{name: pareto}", "most safety, most utility, as a front; safety is the mean of rsr, jsr"),
    ],
)
def test_objectives(tmp_path: Path, objective: str, words: str) -> None:
    assert lines(tmp_path, f"objective={objective}")[1] == f"objective: {words}"


def test_the_requested_openings_of_the_seed_model(tmp_path: Path) -> None:
    preview = "preview={strategy: virtual, prefix: {choice_from: {model_openings: 8, prompts: 32}}}"
    assert lines(tmp_path, preview)[-1] == (
        "preview.prefix.choice_from: up to 8 openings of the seed model's answers to 32 training prompts, "
        "12 tokens each; generated before the search begins"
    )
