from dataclasses import replace

import pytest

from lookahead_ray.cli.progress import SweepProgress
from lookahead_ray.sweep.observer import TrialProgress
from tests.cli.records import HOSTILE, record, true


class Clock:
    """A clock that stands still until told."""

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


def at(fraction: float) -> TrialProgress:
    return TrialProgress("training", "", 1, 10, 1.0, 100.0, fraction)


def finish(
    progress: SweepProgress, clock: Clock, trial_id: str, role: str = "search", seconds: float = 100.0
) -> None:
    progress.trial_started(trial_id, role, role)  # type: ignore[arg-type]
    clock.now_s += seconds
    progress.trial_finished(record(trial_id, role))  # type: ignore[arg-type]


def test_nothing_is_known_before_the_first_trial_ends(progress: SweepProgress, clock: Clock) -> None:
    progress.trial_started("a", "seed", "seed")
    progress.trial_progress("a", at(0.9))
    clock.now_s += 90
    assert progress.remaining_s() is None
    assert progress.elapsed_s == 90


def test_the_untrained_seed_alone_says_nothing_but_a_running_trial_does(
    progress: SweepProgress, clock: Clock
) -> None:
    finish(progress, clock, "s", "seed", 20)
    assert progress.remaining_s() is None
    progress.trial_started("v", "vanilla", "vanilla")
    clock.now_s += 25
    progress.trial_progress("v", at(0.05))
    assert progress.remaining_s() is None, "too early to tell"
    progress.trial_progress("v", at(0.25))
    assert progress.remaining_s() == pytest.approx(75 + 2 * 100)


def test_remaining_is_mean_time_by_open_share(progress: SweepProgress, clock: Clock) -> None:
    finish(progress, clock, "v", "vanilla", 80)
    finish(progress, clock, "a", seconds=120)
    progress.trial_started("b", "search", "b")
    assert progress.remaining_s() == pytest.approx(100 + 100)
    clock.now_s += 30
    assert progress.remaining_s() == pytest.approx(70 + 100), "time passes even without reports"
    progress.trial_progress("b", at(0.5))
    assert progress.remaining_s() == pytest.approx(50 + 100)


def test_waiting_trials_fill_the_slots_seen_busy(clock: Clock) -> None:
    progress = SweepProgress("s", clock)
    progress.sweep_started("run", 6, [], "log")
    finish(progress, clock, "v", "vanilla", 100)
    progress.trial_started("a", "search", "a")
    progress.trial_started("b", "search", "b")
    progress.trial_progress("a", at(0.5))
    progress.trial_progress("b", at(0.1))
    # a ends after 50 and b after 90; three more trials of 100: 50 → 150 → 250 and 90 → 190
    assert progress.remaining_s() == pytest.approx(250)


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


def test_fraction_counts_running_trials_and_stays_in_bounds(progress: SweepProgress) -> None:
    progress.trial_started("a", "search", "a")
    progress.trial_progress("a", at(1.7))
    assert progress.fraction == pytest.approx(1 / 4)
    progress.trial_progress("a", at(-1))
    assert progress.fraction == 0
    assert progress.trial_progress("unknown", at(0.5)) is None


def test_labels_are_cleaned(progress: SweepProgress) -> None:
    label = progress.trial_started("a", "search", HOSTILE).label
    assert label == "[bold red]x[/] $\\frac{1}{2}$ evil new line [/nope]"


def test_best_keeps_the_floor(progress: SweepProgress) -> None:
    progress.trial_finished(replace(record("a", objective=0.9), constraint=0.1))
    assert progress.best is None
    progress.trial_finished(replace(record("b", objective=0.2), constraint=-0.1))
    assert progress.best is not None
    assert progress.best.record.trial_id == "b"


def test_best_of_several_aims_dominates_most(progress: SweepProgress) -> None:
    progress.trial_finished(replace(record("a"), objectives=(0.9, 0.1)))
    progress.trial_finished(replace(record("b"), objectives=(0.5, 0.5)))
    assert progress.best is not None
    assert progress.best.record.trial_id == "b"
