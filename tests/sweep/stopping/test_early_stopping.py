"""From signals to decisions: the estimate, and its use in a sweep."""

from dataclasses import replace
from math import exp, log

import pytest

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.config.search import SearchConfig, StoppingConfig
from lookahead_ray.evaluate.results import Rate, Signal
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.sweep.stopping.early_stopping import Stopping
from lookahead_ray.sweep.stopping.estimate import BELOW_ALL, EarlyEstimate, comparison_values, estimated
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_record


def rate(value: float) -> Rate:
    return Rate(value, value, value, 100, 0)


def signal(epoch: int, kl: float | None, answer_loss: float | None) -> Signal:
    return Signal(epoch, 100 * epoch, kl, answer_loss, 0.1)


SEED = replace(
    make_record(0, role="seed"), rsr=rate(1.0), jsr=rate(0.6), signals=(signal(0, 0.0, 2.0),)
)  # safety 0.8
VANILLA = replace(
    make_record(1, role="vanilla"),
    rsr=rate(0.3),
    jsr=rate(0.1),
    signals=(signal(1, 2.0, 1.5), signal(2, 4.0, 1.0)),
)  # safety 0.2, a quarter of 0.8
REFERENCES = ReferenceTrials(SEED, VANILLA)


class TestEstimate:
    def test_the_references_are_where_they_were_measured(self) -> None:
        assert estimated(SEED.signals[0], REFERENCES) is None  # vanilla has nothing to compare with yet
        for each in VANILLA.signals:
            assert estimated(each, REFERENCES) == EarlyEstimate(safety=pytest.approx(0.25), utility=1.0)
        assert estimated(signal(1, 0.0, 2.0), REFERENCES) == EarlyEstimate(1.0, 0.0)

    def test_between_them_it_is_linear_in_kl_and_likelihood(self) -> None:
        between = -log((exp(-2.0) + exp(-1.5)) / 2)
        found = estimated(signal(1, 1.0, between), REFERENCES)
        assert found == EarlyEstimate(pytest.approx(0.625), pytest.approx(0.5))

    def test_beyond_vanillas_end_its_last_epoch_counts(self) -> None:
        assert estimated(signal(5, 4.0, 1.0), REFERENCES) == EarlyEstimate(pytest.approx(0.25), 1.0)

    def test_what_was_not_measured_is_not_guessed(self) -> None:
        assert estimated(signal(1, None, 1.0), REFERENCES) is None
        assert estimated(signal(1, 1.0, None), REFERENCES) is None
        unsafe = replace(SEED, rsr=rate(0.0), jsr=rate(0.0))
        assert estimated(signal(1, 1.0, 1.0), ReferenceTrials(unsafe, VANILLA)) is None

    def test_it_is_put_as_the_objective_wants(self) -> None:
        guess = EarlyEstimate(0.5, 0.9)
        assert comparison_values(guess, REFERENCES, WeightedObjective(safety_weight=0.25)) == (
            pytest.approx(0.8),
        )
        assert comparison_values(guess, REFERENCES, ParetoObjective(name="pareto")) == (0.5, 0.9)

    def test_below_a_floor_safety_decides_above_it_utility(self) -> None:
        floor = FloorObjective(name="floor", floor=0.6)
        kept, more, lost = EarlyEstimate(0.7, 0.2), EarlyEstimate(0.65, 0.4), EarlyEstimate(0.5, 0.9)
        assert comparison_values(kept, REFERENCES, floor) == (0.2,)
        assert (
            comparison_values(more, REFERENCES, floor)
            > comparison_values(kept, REFERENCES, floor)
            > comparison_values(lost, REFERENCES, floor)
        )
        assert comparison_values(lost, REFERENCES, floor) == (pytest.approx(-0.1 - BELOW_ALL),)

    def test_an_absolute_floor_is_a_rate(self) -> None:
        floor = FloorObjective(name="floor", floor=0.6, relative_to="none")
        assert (
            comparison_values(EarlyEstimate(0.7, 0.2), REFERENCES, floor)[0] < 0
        )  # 0.7 of the seed model's 0.8 is 0.56


def sweep(objective: Objective, stopping: StoppingConfig | None) -> Sweep:
    return Sweep("f", "s", {}, SearchConfig(stopping=stopping), objective)


def trial(number: int, kl: float) -> TrialRecord:
    record = make_record(number)
    return replace(record, trial_id=f"search-{number:03d}", signals=(signal(1, kl, 1.5),))


class TestStopping:
    CONFIG = StoppingConfig(grace_epochs=1, least_trials=4, reduction=2)

    def test_trials_that_drift_most_are_stopped(self) -> None:
        stopping = Stopping(sweep(WeightedObjective(), self.CONFIG), [SEED, VANILLA], REFERENCES)
        assert stopping.stops
        kls = {"a": 0.5, "b": 1.0, "c": 3.0, "d": 0.7}
        goes = {name: stopping.goes_on(name, signal(1, kl, 1.5), 3, REFERENCES) for name, kl in kls.items()}
        assert goes == {"a": True, "b": True, "c": False, "d": True}

    def test_committed_trials_count_as_if_they_had_just_been_seen(self) -> None:
        committed = [SEED, VANILLA, *(trial(n, kl) for n, kl in enumerate((0.1, 0.2, 0.3)))]
        fresh = Stopping(sweep(WeightedObjective(), self.CONFIG), [SEED, VANILLA], REFERENCES)
        resumed = Stopping(sweep(WeightedObjective(), self.CONFIG), committed, REFERENCES)
        assert fresh.goes_on("x", signal(1, 1.9, 1.5), 3, REFERENCES)
        assert not resumed.goes_on("x", signal(1, 1.9, 1.5), 3, REFERENCES)

    def test_without_it_or_without_signals_all_go_on(self) -> None:
        never = Stopping(sweep(WeightedObjective(), None), [SEED, VANILLA], REFERENCES)
        assert not never.stops
        blind = Stopping(sweep(WeightedObjective(), self.CONFIG), [SEED, VANILLA], REFERENCES)
        for number in range(9):
            assert never.goes_on(str(number), signal(1, float(number), 1.5), 3, REFERENCES)
            assert blind.goes_on(str(number), signal(1, None, 1.5), 3, REFERENCES)
