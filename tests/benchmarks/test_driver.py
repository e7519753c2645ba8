"""The driver's overhead, and that no trial is lost."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import driver
from benchmarks.common import (
    BenchmarkError,
)


def idle(**changes: Any) -> dict[str, Any]:
    raw = {
        "seconds_sweep": 9.0,
        "finished_at_s": [1.0, 3.0, 4.0],
        "memory_mib": [[100.0, 60.0], [120.0, 60.0], [130.0, 65.0]],
        "commit_s": [0.1, 0.2, 0.3],
        "trials": 3,
        "lost": [],
        "doubled": [],
        "mixed_up": [],
    }
    return raw | changes


def test_cost_of_the_driver() -> None:
    said: list[str] = []
    result = driver.summarise_driver(idle(), said.append)
    (series,) = result.series
    assert series.values == (2.0, 1.0)
    assert (result.extra["trials"], result.extra["seconds_a_commit_median"]) == (3, 0.2)
    many = [[100.0 + index, 50.0] for index in range(300)]
    long = idle(memory_mib=many, finished_at_s=list(range(300)), trials=300)
    assert driver.summarise_driver(long, said.append).extra["memory_growth_mib"] == 200.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lost": ["a", "b"]}, "2 trials lost: a, b"),
        ({"doubled": ["a"]}, "1 trials doubled: a"),
        ({"mixed_up": ["a"]}, "1 trials mixed up: a"),
        ({"trials": 4}, "3 trials ended, the tables hold 4"),
    ],
)
def test_a_driver_that_loses_trials_fails(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchmarkError, match=said):
        driver.summarise_driver(idle(**changes))


@pytest.mark.slow
def test_a_driver_of_12_trials_loses_none(tmp_path: Path) -> None:
    result = driver.run(driver.DriverSettings(trials=12), tmp_path, print)
    assert result.extra["trials"] == 14
