from dataclasses import replace

import pytest

from lookahead_ray.presentation.live_panel import time_left
from lookahead_ray.presentation.sweep_progress import SweepProgress
from lookahead_ray.sweep.interfaces import TrialProgress
from tests.presentation.records import HOSTILE, record, true


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> SweepProgress:
    progress = SweepProgress("quickstart", clock)
    progress.sweep_started("runs/quickstart", 4, [], "log")
    return progress


def training(done: float, total: float = 10) -> TrialProgress:
    return TrialProgress("training", "", done, total, int(total))


def answering(done: float, total: float = 100) -> TrialProgress:
    return TrialProgress("answering", "", done, total, 10)


def finish(
    progress: SweepProgress, clock: Clock, trial_id: str, role: str = "search", seconds: float = 100.0
) -> None:
    progress.trial_started(trial_id, role, role)  # type: ignore[arg-type]
    clock.now_s += seconds
    progress.trial_finished(record(trial_id, role))  # type: ignore[arg-type]


def test_no_prediction_before_a_trained_trial_has_a_pace(progress: SweepProgress, clock: Clock) -> None:
    progress.trial_started("a", "seed", "seed")
    progress.trial_progress("a", answering(0))
    clock.now_s += 90
    progress.trial_progress("a", answering(90))
    assert progress.remaining_s() is None
    assert progress.elapsed_s == 90


def test_the_first_trained_trial_is_projected_from_its_training_and_the_seeds_answers(
    progress: SweepProgress, clock: Clock
) -> None:
    progress.trial_started("s", "seed", "seed")
    progress.trial_progress("s", answering(0))
    clock.now_s += 20
    progress.trial_progress("s", answering(100))
    progress.trial_finished(record("s", "seed"))
    assert progress.remaining_s() is None
    progress.trial_started("v", "vanilla", "vanilla")
    clock.now_s += 5
    progress.trial_progress("v", training(0, 100))
    clock.now_s += 3
    progress.trial_progress("v", training(4, 100))
    assert progress.remaining_s() is None, "too early to tell"
    clock.now_s += 15
    progress.trial_progress("v", training(25, 100))
    trained = 18 / 25 * 100
    assert progress.remaining_s() == pytest.approx(0.75 * trained + 20 + 2 * (5 + trained + 20))


def test_time_passes_without_reports(progress: SweepProgress, clock: Clock) -> None:
    finish(progress, clock, "v", "vanilla", 80)
    finish(progress, clock, "a", seconds=120)
    progress.trial_started("b", "search", "b")
    each = 120  # of phases without units the last trial counts
    assert progress.remaining_s() == pytest.approx(2 * each)
    clock.now_s += 30
    assert progress.remaining_s() == pytest.approx(2 * each - 30)
    clock.now_s += 300
    assert progress.remaining_s() == pytest.approx(210 + each), "it takes as long again as it is late"


def test_a_running_trials_own_pace_counts_the_more_the_further_it_is(
    progress: SweepProgress, clock: Clock
) -> None:
    progress.trial_started("v", "vanilla", "vanilla")
    progress.trial_progress("v", training(0))
    clock.now_s += 100
    progress.trial_progress("v", training(10))
    progress.trial_finished(record("v", "vanilla"))
    progress.trial_started("a", "search", "a")
    progress.trial_progress("a", training(0))
    assert progress.remaining_s() == pytest.approx(3 * 100)
    for done, own_weight in ((2, 0.4), (6, 1.0)):  # twice as slow
        clock.now_s = 1100 + 20 * done
        progress.trial_progress("a", training(done))
        whole = own_weight * 200 + (1 - own_weight) * 100
        assert progress.remaining_s() == pytest.approx((1 - done / 10) * whole + 2 * 100)


def test_other_steps_take_other_times(progress: SweepProgress, clock: Clock) -> None:
    progress.trial_started("v", "vanilla", "vanilla")
    progress.trial_progress("v", training(0))
    clock.now_s += 100
    progress.trial_progress("v", training(10))
    progress.trial_finished(record("v", "vanilla"))
    progress.trial_started("a", "search", "a")
    progress.trial_progress("a", TrialProgress("starting", "loading the model", steps=30))
    assert progress.remaining_s() == pytest.approx(3 * 100 + 2 * 100)


def test_a_checkpoint_is_no_part_of_the_next_step(progress: SweepProgress, clock: Clock) -> None:
    trial = progress.trial_started("v", "vanilla", "vanilla")
    saving = TrialProgress("saving", "writing a checkpoint")
    for seconds, report in ((0, training(0)), (50, training(5)), (0, saving), (4, saving), (10, training(6))):
        clock.now_s += seconds
        progress.trial_progress("v", report)
    spent = trial.timing.spent
    assert (spent["training"].worked, spent["training"].seconds) == (6, 60)
    assert spent["saving"].seconds == 4


def test_a_trial_that_goes_on_from_a_checkpoint_is_not_taken_for_a_fast_one(
    progress: SweepProgress, clock: Clock
) -> None:
    progress.trial_started("v", "vanilla", "vanilla")
    progress.trial_progress("v", training(0))
    clock.now_s += 70
    progress.trial_progress("v", training(7))
    progress.trial_restarted("v", 1, 2)
    progress.trial_progress("v", training(6))
    clock.now_s += 20
    progress.trial_progress("v", training(8))
    progress.trial_progress("v", answering(0))
    clock.now_s += 10
    progress.trial_progress("v", answering(100))
    progress.trial_finished(record("v", "vanilla"))
    assert progress.remaining_s() == pytest.approx(3 * (8 * 10 + 10))


def test_waiting_trials_fill_the_slots_seen_busy(clock: Clock) -> None:
    progress = SweepProgress("s", clock)
    progress.sweep_started("run", 6, [], "log")
    finish(progress, clock, "v", "vanilla", 100)
    progress.trial_started("a", "search", "a")
    clock.now_s += 40
    progress.trial_started("b", "search", "b")
    clock.now_s += 10
    # a ends after 50 and b after 90; three more trials of 100: 50 → 150 → 250 and 90 → 190
    assert progress.remaining_s() == pytest.approx(250)


def test_a_single_trial_needs_more_than_its_known_phases(clock: Clock) -> None:
    progress = SweepProgress("s", clock)
    progress.sweep_started("run", 1, [], "log")
    assert progress.least_remaining_s() is None
    progress.trial_started("a", "search", "a")
    progress.trial_progress("a", training(0))
    clock.now_s += 30
    progress.trial_progress("a", training(5))
    assert progress.remaining_s() is None
    assert progress.least_remaining_s() == pytest.approx(30)
    assert time_left(progress) == "more than 30 s left"
    progress.trial_progress("a", answering(0))
    clock.now_s += 10
    progress.trial_progress("a", answering(50))
    assert time_left(progress) == "about 10 s left"


def test_committed_trials_count_and_tell_their_times(clock: Clock) -> None:
    progress = SweepProgress("s", clock)
    progress.sweep_started(
        "run", 5, [record("s", "seed", seconds=10), record("v", "vanilla", seconds=60)], "log"
    )
    assert (progress.done, progress.trials) == (2, 5)
    assert progress.remaining_s() == pytest.approx(3 * 60)


def test_failures_do_not_shorten_the_estimate(progress: SweepProgress, clock: Clock) -> None:
    finish(progress, clock, "v", "vanilla", 100)
    progress.trial_started("f", "search", "f")
    clock.now_s += 1
    progress.trial_finished(
        record("f", rates=None, status="failed", error="\nModelError: no\nmore", seconds=1)
    )
    assert progress.remaining_s() == pytest.approx(2 * 100)
    assert len(progress.failures) == 1
    assert progress.last_error == "ModelError: no"


def test_a_finished_sweep_needs_no_time(progress: SweepProgress, clock: Clock) -> None:
    for trial_id in "abcd":
        finish(progress, clock, trial_id)
    assert progress.remaining_s() == 0
    assert progress.fraction == 1


def test_an_interrupted_sweep_runs_nothing(progress: SweepProgress) -> None:
    progress.trial_started("a", "search", "a")
    progress.sweep_finished()
    assert not progress.running
    assert progress.remaining_s() == 0


def test_best_is_the_searched_trial_with_the_highest_objective(progress: SweepProgress) -> None:
    assert progress.best is None
    progress.trial_finished(record("v", "vanilla", objective=0.9))
    progress.trial_finished(record("u"))
    assert progress.best is None
    progress.trial_finished(record("a", preview=true(1), objective=-0.1))
    progress.trial_finished(record("b", preview=true(2), objective=0.3))
    assert progress.best is not None
    assert progress.best.record.trial_id == "b"


def test_nothing_is_counted_twice(progress: SweepProgress) -> None:
    progress.trial_finished(record("a"))
    progress.trial_finished(record("a"))
    assert progress.done == 1


def test_fraction_counts_running_trials_and_stays_in_bounds(progress: SweepProgress, clock: Clock) -> None:
    trial = progress.trial_started("a", "search", "a")
    progress.trial_progress("a", answering(0))
    assert progress.fraction == 0
    for done in range(1, 11):
        clock.now_s += 10
        progress.trial_progress("a", answering(10 * done))
    clock.now_s += 1000
    progress.advance()
    assert 0.8 < trial.fraction < 1
    assert progress.fraction == pytest.approx(trial.fraction / 4)
    assert progress.trial_progress("unknown", answering(1)) is None


def test_the_bar_moves_while_nothing_is_reported(progress: SweepProgress, clock: Clock) -> None:
    finish(progress, clock, "v", "vanilla", 100)
    trial = progress.trial_started("a", "search", "a")
    clock.now_s += 25
    progress.advance()
    assert trial.fraction == pytest.approx(0.25)
    clock.now_s += 25
    progress.advance()
    assert trial.fraction == pytest.approx(0.5)


def test_a_trial_that_hangs_slows_its_bar_down(clock: Clock) -> None:
    progress = SweepProgress("s", clock)
    progress.sweep_started("run", 2, [], "log")
    finish(progress, clock, "s", "seed", 60)
    trial = progress.trial_started("v", "vanilla", "vanilla")
    progress.trial_progress("v", training(0, 4))
    clock.now_s += 5
    progress.trial_progress("v", training(0.5, 4))
    shown, left = [trial.fraction], []
    for _ in range(300):
        clock.now_s += 1
        progress.advance()
        shown.append(trial.fraction)
        left.append(progress.least_remaining_s())
    assert shown == sorted(shown)
    assert shown[-1] < 0.5
    assert left[:5] == sorted(left[:5], reverse=True)
    assert left[5:] == sorted(left[5:])
    assert left[-1] == pytest.approx(305 * 3, rel=0.1), "at this pace, three steps are to come"


def test_a_restarted_trial_begins_again(progress: SweepProgress, clock: Clock) -> None:
    finish(progress, clock, "v", "vanilla", 100)
    trial = progress.trial_started("a", "search", "a")
    clock.now_s += 50
    progress.advance()
    progress.trial_restarted("a", 1, 2)
    assert trial.fraction == 0
    assert progress.remaining_s() == pytest.approx(3 * 100)


def test_labels_are_cleaned(progress: SweepProgress) -> None:
    label = progress.trial_started("a", "search", HOSTILE).label
    assert label == "[bold red]x[/] $\\frac{1}{2}$ evil new line [/nope]"


def test_best_keeps_the_floor(progress: SweepProgress) -> None:
    progress.trial_finished(replace(record("a", objective=0.9), constraint=0.1))
    assert progress.best is None
    progress.trial_finished(replace(record("b", objective=0.2), constraint=-0.1))
    assert progress.best is not None
    assert progress.best.record.trial_id == "b"


def test_best_of_several_objectives_dominates_most(progress: SweepProgress) -> None:
    progress.trial_finished(replace(record("a"), objectives=(0.9, 0.1)))
    progress.trial_finished(replace(record("b"), objectives=(0.5, 0.5)))
    assert progress.best is not None
    assert progress.best.record.trial_id == "b"


def test_all_points_of_a_training_are_one_trial(progress: SweepProgress, clock: Clock) -> None:
    progress.trial_started("a", "search", "no preview, shares 1, 0.5")
    clock.now_s += 100
    merged = replace(record("a.2", seconds=0.0), training_id="a")
    merged.config["merge"] = {"name": "linear", "share": 0.5}
    shown = [progress.trial_finished(replace(record("a"), training_id="a")), progress.trial_finished(merged)]
    assert [(one.label, one.seconds) for one in shown] == [
        ("no preview", 100),
        ("no preview, share 0.5", None),
    ]
    assert (progress.done, progress.trials, progress.running) == (1, 4, {})
    assert progress.remaining_s() == 300
