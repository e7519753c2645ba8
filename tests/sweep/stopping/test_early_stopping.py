"""From signals to decisions: the estimate, and its use in a sweep."""

from dataclasses import replace
from math import exp, log

import pytest

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.config.search import SearchConfig, StoppingConfig
from lookahead_ray.evaluate.results import Rate, Signal
from lookahead_ray.objective.base import ObjectiveValues, ReferenceTrials, RelativeScores
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.stopping.early_stopping import EarlyStopping
from lookahead_ray.sweep.stopping.estimate import estimate_scores
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_record


def rate(value: float) -> Rate:
    return Rate(value, value, value, 100, 0)


def signal(epoch: int, kl: float | None, answer_loss: float | None) -> Signal:
    return Signal(epoch, 100 * epoch, kl, answer_loss, 0.1)


SEED = replace(make_record(0, role="seed"), rsr=rate(1.0), jsr=rate(0.6)).with_measured(
    signals=(signal(0, 0.0, 2.0),)
)  # safety 0.8
VANILLA = replace(make_record(1, role="vanilla"), rsr=rate(0.3), jsr=rate(0.1)).with_measured(
    signals=(signal(1, 2.0, 1.5), signal(2, 4.0, 1.0))
)  # safety 0.2, a quarter of 0.8
REFERENCES = ReferenceTrials(SEED, VANILLA)


def scores(kept: float, gained: float) -> RelativeScores[float]:
    """Return approximate scores; the seed model's safety is 0.8."""
    return RelativeScores(pytest.approx(0.8 * kept), pytest.approx(kept), pytest.approx(gained))


class TestEstimate:
    def test_the_references_are_where_they_were_measured(self) -> None:
        assert estimate_scores(SEED.signals[0], REFERENCES) is None  # vanilla has nothing to compare with yet
        for each in VANILLA.signals:
            assert estimate_scores(each, REFERENCES) == scores(0.25, 1.0)
        assert estimate_scores(signal(1, 0.0, 2.0), REFERENCES) == scores(1.0, 0.0)

    def test_between_them_it_is_linear_in_kl_and_likelihood(self) -> None:
        between = -log((exp(-2.0) + exp(-1.5)) / 2)
        found = estimate_scores(signal(1, 1.0, between), REFERENCES)
        assert found == scores(0.625, 0.5)

    def test_beyond_vanillas_end_its_last_epoch_counts(self) -> None:
        assert estimate_scores(signal(5, 4.0, 1.0), REFERENCES) == scores(0.25, 1.0)

    def test_what_was_not_measured_is_not_guessed(self) -> None:
        assert estimate_scores(signal(1, None, 1.0), REFERENCES) is None
        assert estimate_scores(signal(1, 1.0, None), REFERENCES) is None
        unsafe = replace(SEED, rsr=rate(0.0), jsr=rate(0.0))
        assert estimate_scores(signal(1, 1.0, 1.0), ReferenceTrials(unsafe, VANILLA)) is None


def sweep(objective: Objective, stopping: StoppingConfig | None) -> Sweep:
    return Sweep("f", "s", {}, SearchConfig(stopping=stopping), objective)


def trial(number: int, kl: float) -> TrialRecord:
    record = replace(make_record(number), trial_id=f"search-{number:03d}")
    return record.with_measured(signals=(signal(1, kl, 1.5),))


class TestStopping:
    CONFIG = StoppingConfig(grace_epochs=1, least_trials=4, reduction=2)

    def test_trials_that_drift_most_are_stopped(self) -> None:
        stopping = EarlyStopping(sweep(WeightedObjective(), self.CONFIG), [SEED, VANILLA], REFERENCES)
        assert stopping.enabled
        kls = {"a": 0.5, "b": 1.0, "c": 3.0, "d": 0.7}
        goes = {
            name: stopping.may_continue(name, signal(1, kl, 1.5), 3, REFERENCES) for name, kl in kls.items()
        }
        assert goes == {"a": True, "b": True, "c": False, "d": True}

    def test_committed_trials_count_as_if_they_had_just_been_seen(self) -> None:
        committed = [SEED, VANILLA, *(trial(n, kl) for n, kl in enumerate((0.1, 0.2, 0.3)))]
        fresh = EarlyStopping(sweep(WeightedObjective(), self.CONFIG), [SEED, VANILLA], REFERENCES)
        resumed = EarlyStopping(sweep(WeightedObjective(), self.CONFIG), committed, REFERENCES)
        assert fresh.may_continue("x", signal(1, 1.9, 1.5), 3, REFERENCES)
        assert not resumed.may_continue("x", signal(1, 1.9, 1.5), 3, REFERENCES)

    def test_without_it_or_without_signals_all_go_on(self) -> None:
        never = EarlyStopping(sweep(WeightedObjective(), None), [SEED, VANILLA], REFERENCES)
        assert not never.enabled
        blind = EarlyStopping(sweep(WeightedObjective(), self.CONFIG), [SEED, VANILLA], REFERENCES)
        for number in range(9):
            assert never.may_continue(str(number), signal(1, float(number), 1.5), 3, REFERENCES)
            assert blind.may_continue(str(number), signal(1, None, 1.5), 3, REFERENCES)

    def test_a_stopped_trial_has_estimated_values(self) -> None:
        stopped = replace(trial(1, 1.0), status="stopped")
        floor = EarlyStopping(sweep(FloorObjective(name="floor", floor=0.7), self.CONFIG), [], REFERENCES)
        kept = 1 - 0.75 * 1.0 / 2.0
        expected = ObjectiveValues((pytest.approx(1.0),), pytest.approx(0.7 - kept))
        assert floor.estimate(stopped, REFERENCES) == expected
        assert floor.estimate(trial(1, 1.0), REFERENCES) is None  # it was not stopped
        assert floor.estimate(stopped, None) is None
        three = ParetoObjective(name="pareto", over_refusal=True)  # which no signal measures
        assert EarlyStopping(sweep(three, self.CONFIG), [], REFERENCES).estimate(stopped, REFERENCES) is None

    def test_a_partial_trial_has_the_values_of_its_first_prompts_and_a_training_the_best(self) -> None:
        measured = replace(trial(1, 1.0), rsr=rate(0.5), jsr=rate(0.3), utility=rate(0.5))
        worse = replace(measured, rsr=rate(0.1), status="partial")
        partial = replace(measured, status="partial")
        weighted = EarlyStopping(sweep(WeightedObjective(), None), [], REFERENCES)
        expected = make_objective(WeightedObjective()).score(measured, REFERENCES)
        assert weighted.estimate(partial, REFERENCES) == ObjectiveValues(expected.objectives)
        best = weighted.estimate_training([worse, partial, measured], REFERENCES)
        assert best == ObjectiveValues(expected.objectives)
        assert weighted.estimate_training([measured], REFERENCES) is None
