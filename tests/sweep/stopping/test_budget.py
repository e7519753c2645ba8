"""The end of a search."""

from dataclasses import replace

import pytest

from lookahead_ray.config.search import BudgetConfig, PlateauConfig, SearchConfig
from lookahead_ray.evaluate.results import Rate
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.sweep.stopping.budget import (
    accelerator_hours,
    end_reason,
    hours_of,
    measure_limits,
    time_is_up,
)
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_failed, make_points, make_record


def rate(value: float) -> Rate:
    return Rate(value, value, value, 100, 0)


def trial(number: int, safety: float, utility: float, role: str = "search") -> TrialRecord:
    record = make_record(number)
    rates = {"rsr": rate(safety), "jsr": rate(safety), "utility": rate(utility)}
    return replace(record, trial_id=f"{role}-{number}", role=role, safety=safety, **rates)  # type: ignore[arg-type]


SEED, VANILLA = trial(1, 1.0, 0.0, "seed"), trial(2, 0.4, 0.5, "vanilla")
REFERENCES = ReferenceTrials(SEED, VANILLA)


def reason(config: SearchConfig, searched: int = 1, hours: float = 0.0, *records: TrialRecord) -> str | None:
    records = (SEED, VANILLA, *records)
    return end_reason(measure_limits(records, REFERENCES, config, searched=searched, hours=hours))


def test_the_number_of_trials_ends_a_search() -> None:
    assert reason(SearchConfig(trials=3), searched=2) is None
    assert reason(SearchConfig(trials=3), searched=3) == ""


def test_so_does_the_time() -> None:
    config = SearchConfig(budget=BudgetConfig(hours=2))
    assert reason(config, hours=1.9) is None
    assert reason(config, hours=2.0) == "the time budget is used up"
    assert time_is_up((), config, 2.0)
    assert not time_is_up((), SearchConfig(), 1e9)


def test_hours_of_earlier_sessions_count_without_pauses_and_overlaps() -> None:
    spans = (("2025-01-01T00:00:00+00:00", 3600), ("2025-01-01T00:30:00+00:00", 3600))
    later = ("2025-01-03T00:00:00+00:00", 1800)
    records = [replace(SEED, started_at=at, seconds_total=float(s)) for at, s in (*spans, later)]
    assert hours_of(records) == pytest.approx(1.5 + 0.5)
    assert hours_of(()) == 0.0


def test_accelerator_hours_include_failed_trials() -> None:
    on_cpu = replace(SEED, seconds_total=1800.0, config={"workers": 2, "cpus_per_worker": 4.0})
    on_gpu = replace(on_cpu, config={"workers": 4, "cpus_per_worker": 4.0, "gpus_per_worker": 1.0})
    failed = replace(make_failed(3), seconds_total=3600.0, config={"workers": 1, "gpus_per_worker": 2.0})
    assert accelerator_hours([on_cpu]) == pytest.approx(4.0)
    assert accelerator_hours([on_cpu, on_gpu, failed]) == pytest.approx(4.0 + 2.0 + 2.0)
    config = SearchConfig(budget=BudgetConfig(accelerator_hours=8))
    assert end_reason(measure_limits([on_cpu, on_gpu, failed], None, config, searched=1, hours=0)) is not None


def test_a_plateau_of_the_hypervolume_ends_it() -> None:
    config = SearchConfig(trials=99, budget=BudgetConfig(plateau=PlateauConfig(trials=2, gain=0.05)))
    better, worse = trial(3, 0.8, 0.5), trial(4, 0.3, 0.3)
    assert reason(config, 2, 0.0, worse, worse) is None  # too few for a decision
    assert reason(config, 3, 0.0, worse, better, worse) is None
    found = reason(config, 3, 0.0, better, worse, worse)
    assert found == "the search has reached a plateau (hypervolume +0.0 % over 2 trials)"


def test_trials_without_any_hypervolume_are_a_plateau() -> None:
    """Vanilla learned nothing and neither did a trial: a budget with a plateau must end all the same."""
    config = SearchConfig(trials=99, budget=BudgetConfig(plateau=PlateauConfig(trials=2, gain=0.05)))
    useless = replace(VANILLA, utility=SEED.utility)
    records = [SEED, useless, *(replace(trial(n, 0.8, 0.5), utility=SEED.utility) for n in (3, 4, 5))]
    found = end_reason(measure_limits(records, ReferenceTrials(SEED, useless), config, searched=3, hours=0))
    assert found == "the search has reached a plateau (hypervolume +0.0 % over 2 trials)"
    better = [*records, trial(6, 0.8, 0.5)]
    assert not end_reason(measure_limits(better, ReferenceTrials(SEED, useless), config, searched=4, hours=0))


def test_a_plateau_is_one_of_the_objectives_own_safety() -> None:
    config = SearchConfig(trials=99, budget=BudgetConfig(plateau=PlateauConfig(trials=1, gain=0.05)))
    first, second = trial(3, 0.8, 0.5), trial(4, 0.8, 0.5)
    assert reason(config, 2, 0.0, first, second) is not None
    assert reason(config, 2, 0.0, first, replace(second, safety=0.9)) is None  # RSR and JSR are the same


def test_all_parts_are_described() -> None:
    budget = BudgetConfig(hours=8, accelerator_hours=20, plateau=PlateauConfig(trials=1))
    found = measure_limits(
        [SEED, VANILLA, trial(3, 0.8, 0.5), trial(4, 0.9, 0.5)],
        REFERENCES,
        SearchConfig(trials=40, budget=budget),
        searched=12,
        hours=1.25,
    )
    assert [limit.text for limit in found][:2] == ["12 of 40 trials", "1.2 of 8 h"]
    assert found[2].text.endswith("of 20 accelerator hours")
    assert found[3].text == "hypervolume +12.5 % over 1 trials"


def test_all_points_of_a_training_are_one_trial_of_a_plateau() -> None:
    config = SearchConfig(trials=99, budget=BudgetConfig(plateau=PlateauConfig(trials=2, gain=0.05)))
    points = [replace(trial(number, 0.3, 0.3), training_id="search-3") for number in (3, 4, 5)]
    worse, same = trial(6, 0.3, 0.3), trial(7, 0.3, 0.3)
    assert reason(config, 2, 0.0, *points, worse) is None  # too few for a decision
    assert reason(config, 3, 0.0, *points, worse, same) is not None


def test_the_costs_of_a_training_count_once() -> None:
    points = [replace(point, started_at=SEED.started_at) for point in make_points(3)]
    assert accelerator_hours(points) == accelerator_hours(points[:1]) > 0
    assert hours_of(points) == hours_of(points[:1])
