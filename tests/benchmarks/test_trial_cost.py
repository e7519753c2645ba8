"""The fixed cost of trials, from rows of a table."""

from typing import Any

import pytest

from benchmarks import trial_cost
from benchmarks.common import (
    BenchmarkError,
)
from benchmarks.trial_worker import tiny_sweep


def trial(**changes: Any) -> dict[str, Any]:
    row = {
        "trial_id": "seed",
        "role": "seed",
        "strategy": "none",
        "status": "completed",
        "error": None,
        "workers": 2,
        "zero_stage": None,
        "seconds_total": 60.0,
        "seconds_train": 0.0,
        "seconds_evaluate": 10.0,
        "result_sha256": "same",
    }
    return row | changes


def test_fixed_cost_of_trials() -> None:
    rows = [
        trial(),
        trial(trial_id="vanilla", role="vanilla", seconds_train=5.0, seconds_total=40.0),
        trial(trial_id="search-001", role="search", seconds_train=10.0, seconds_total=50.0),
    ]
    apart = [{**row, "seconds_total": row["seconds_total"] + 10.0} for row in rows]
    apart[2]["result_sha256"] = "other"
    said: list[str] = []
    sweeps = ({"trials": part, "seconds_sweep": 170.0} for part in (rows, apart))
    result = trial_cost.summarise_trials(*sweeps, said.append)
    first, later, nested = result.series
    assert (first.values, later.values) == ((50.0,), (25.0, 30.0))
    assert nested.values == (35.0, 40.0)
    assert result.extra == {
        "seconds_sweep": 170.0,
        "seconds_outside_trials": 20.0,
        "searched_per_hour": 72.0,
        "searched_per_hour_nested": 60.0,
        "share_identical_to_the_last_bit": pytest.approx(2 / 3),
    }
    assert [row["trial_id"] for row in later.raw] == ["vanilla", "search-001"]
    assert len(said) == 6


def test_a_failed_trial_has_no_cost() -> None:
    with pytest.raises(BenchmarkError, match="seed failed: no memory"):
        trial_cost.fixed_cost(trial(status="failed", error="no memory", seconds_train=None))


def test_space_of_the_trial_benchmark_loads() -> None:
    settings = trial_cost.TrialSettings()
    sweep = tiny_sweep({**vars(settings), "trials": 5, "precision": "fp32"})
    config = sweep.reference()
    assert (sweep.search.trials, sweep.search.max_concurrent) == (5, 1)
    assert config.resources == (settings.workers, 1.0, 0.0)
    assert (config.training.precision, config.task.train_examples) == ("fp32", settings.train_examples)
    assert config.safety[0].harmful_prompts == config.safety[0].benign_prompts == settings.safety_prompts
    assert config.evaluation.task_new_tokens == settings.new_tokens
