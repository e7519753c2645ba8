"""Search settings: bounds, variants, and what may differ when a sweep is resumed."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.search import (
    WITHOUT_EFFECT,
    BudgetConfig,
    ConfirmConfig,
    GpSampler,
    GridSampler,
    Nsga2Sampler,
    PlateauConfig,
    RandomSampler,
    SearchConfig,
    StoppingConfig,
    TpeSampler,
)

MODELS: tuple[tuple[type[BaseModel], dict[str, Any]], ...] = (
    (TpeSampler, {}),
    (GpSampler, {"name": "gp"}),
    (Nsga2Sampler, {"name": "nsga2"}),
    (RandomSampler, {"name": "random"}),
    (GridSampler, {"name": "grid"}),
    (StoppingConfig, {}),
    (PlateauConfig, {}),
    (BudgetConfig, {}),
    (ConfirmConfig, {}),
    (SearchConfig, {}),
)


@pytest.mark.parametrize(("model", "least"), MODELS, ids=lambda value: getattr(value, "__name__", ""))
def test_defaults_hold_and_unknown_fields_are_refused(model: type[BaseModel], least: dict[str, Any]) -> None:
    assert model.model_validate(least) == model.model_validate(model.model_validate(least).model_dump())
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model.model_validate({**least, "speed": 1})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tpe", TpeSampler),
        ("gp", GpSampler),
        ("nsga2", Nsga2Sampler),
        ("random", RandomSampler),
        ("grid", GridSampler),
    ],
)
def test_the_name_decides_the_sampler(name: str, expected: type[BaseModel]) -> None:
    assert isinstance(SearchConfig.model_validate({"sampler": {"name": name}}).sampler, expected)


def test_tpe_is_the_default_sampler() -> None:
    assert SearchConfig().sampler == TpeSampler()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trials", 0),
        ("seed", -1),
        ("max_concurrent", 0),
        ("max_failures", -1),
        ("checkpoint_epochs", 0),
        ("warm_start", "runs/a"),
        ("sampler", {"name": "tpe", "startup_trials": -1}),
        ("sampler", {"name": "gp", "startup_trials": 0}),
        ("sampler", {"name": "nsga2", "population_size": 1}),
        ("sampler", {"name": "grid", "points": {"x": 1}}),
        ("sampler", {"name": "random", "startup_trials": 3}),
        ("sampler", {"name": "cma"}),
        ("stopping", {"grace_epochs": 0}),
        ("stopping", {"reduction": 1.0}),
        ("stopping", {"least_trials": 0}),
        ("budget", {"hours": 0}),
        ("budget", {"accelerator_hours": 0}),
        ("budget", {"plateau": {"trials": 0}}),
        ("budget", {"plateau": {"gain": -0.1}}),
        ("confirm", {"candidates": 0}),
        ("confirm", {"seeds": 0}),
    ],
)
def test_values_out_of_bounds_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        SearchConfig.model_validate({field: value})


def test_fields_without_effect_exist() -> None:
    assert set(WITHOUT_EFFECT) <= set(SearchConfig.model_fields)


def test_a_sweep_may_go_on_longer_but_not_be_searched_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("task: {name: word_problems}\ntraining: {learning_rate: {loguniform: [1e-5, 1e-3]}}\n")

    def identity(*overrides: str) -> str:
        return load_sweep(path, overrides).hash

    longer = ("search.trials=99", "search.budget.hours=2", "search.confirm={seeds: 3}")
    hardware = ("search.max_failures=0", "search.max_concurrent=3", "search.checkpoint_epochs=null")
    assert identity() == identity(*longer, *hardware)
    assert identity() == identity("search.measure=whole")  # the identity of runs from before the field
    others = ("sampler={name: gp}", "seed=1", "warm_start=[runs/a]", "stopping={}", "enqueue=[{}]")
    for other in (*others, "measure=sequential"):
        assert identity() != identity(f"search.{other}"), other
