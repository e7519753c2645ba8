"""Predictions over whole simulated sweeps: a schedule of reports, and a clock that follows it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from lookahead_ray.presentation.sweep_progress import SweepProgress
from lookahead_ray.sweep.interfaces import TrialProgress
from lookahead_ray.trial.progress import PHASES, Phase
from tests.presentation.records import record

REPORT_S = 2.0


@dataclass(frozen=True)
class Stage:
    """A phase's duration and units; 0 units report only the start."""

    phase: Phase
    seconds: float
    units: int = 0
    bend: float = 1.0  # done units are (time share) ** bend: below 1 it starts fast

    def reports(self, steps: int) -> Iterator[tuple[float, TrialProgress]]:
        """Return seconds to wait, then the report."""
        yield 0.0, TrialProgress(self.phase, "", 0, self.units, steps)
        passed = 0.0
        while passed < self.seconds:
            wait = min(REPORT_S, self.seconds - passed)
            passed += wait
            done = int(self.units * (passed / self.seconds) ** self.bend + 1e-9)
            if self.units:
                yield wait, TrialProgress(self.phase, "", done, self.units, steps)
            else:
                yield wait, TrialProgress(self.phase, "", 0, 0, steps)


@dataclass
class Simulated:
    """A simulated sweep, and the predictions made in it."""

    trials: list[list[Stage]]
    now_s: float = 0.0
    predicted: list[tuple[float, float | None]] = field(default_factory=list)  # time, total
    fractions: list[list[tuple[float, float]]] = field(default_factory=list)  # by trial: time, fraction
    left: list[float] = field(default_factory=list)

    def run(self) -> "Simulated":
        progress = SweepProgress("s", lambda: self.now_s)
        progress.sweep_started("run", len(self.trials), [], "log")
        for number, stages in enumerate(self.trials):
            role = "seed" if number == 0 else "search"
            trial = progress.trial_started(str(number), role, role)  # type: ignore[arg-type]
            self.fractions.append([])
            steps = sum(stage.units for stage in stages if stage.phase == "training")
            for stage in stages:
                for wait, report in stage.reports(steps):
                    self.now_s += wait
                    progress.trial_progress(str(number), report)
                    self._look(progress)
                    self.fractions[-1].append((self.now_s, trial.fraction))
            progress.trial_finished(record(str(number), role))  # type: ignore[arg-type]
            self._look(progress)
        return self

    def _look(self, progress: SweepProgress) -> None:
        left = progress.remaining_s()
        self.predicted.append((self.now_s, None if left is None else self.now_s + left))
        if left is not None:
            self.left.append(left)

    def wrong(self, after: float) -> float:
        """Return the largest relative error of the predicted total after the share `after` of the sweep."""
        return max(
            abs(total - self.now_s) / self.now_s if total is not None else 1.0
            for at_s, total in self.predicted
            if at_s >= after * self.now_s
        )


def plain_sweep(train_s: float, evaluate_s: float, seed_s: float) -> list[list[Stage]]:
    return [
        [Stage("starting", 2), Stage("answering", seed_s, 5000)],
        *[[Stage("starting", 2), Stage("training", train_s, 20), Stage("answering", evaluate_s, 5000)]] * 7,
    ]


def rough_sweep(train_s: float, evaluate_s: float, seed_s: float, number: int = 0) -> list[list[Stage]]:
    """First trials load and compile, trials differ, and answers progress fast at first."""
    draw = random.Random(number)

    def about(seconds: float) -> float:
        return seconds * draw.uniform(0.85, 1.15)

    def evaluation(seconds: float) -> list[Stage]:
        return [
            Stage("answering", about(seconds), 5000, bend=0.8),
            Stage("judging", 1.0, 250),
            Stage("ending", 1),
        ]

    sweep = [
        [Stage("starting", 20), Stage("reference", 4, 30), Stage("measuring", 3, 1), *evaluation(seed_s)]
    ]
    for trial in range(7):
        sweep.append(
            [
                Stage("starting", 2),
                Stage("building", 2 if trial else 15),
                Stage("training", about(train_s), 20),
                Stage("measuring", 3, 1),
                Stage("saving", 1),
                *evaluation(evaluate_s),
            ]
        )
    return sweep


SHAPES = {  # seconds of training and of evaluation, and of the seed model's evaluation
    "as in the quickstart": (80, 40, 60),
    "evaluation dominates": (30, 300, 280),
    "training dominates": (600, 60, 60),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_total_is_predicted_early(shape: tuple[float, float, float]) -> None:
    for sweep in (plain_sweep(*shape), *(rough_sweep(*shape, number) for number in range(3))):
        simulated = Simulated(sweep).run()
        assert simulated.wrong(after=0.25) < 0.25
        assert simulated.wrong(after=0.5) < 0.15
        assert min(simulated.left) >= 0
        assert simulated.left[-1] == 0


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_bar_of_a_trial_moves_steadily_and_never_back(shape: tuple[float, float, float]) -> None:
    simulated = Simulated(rough_sweep(*shape)).run()
    for number, points in enumerate(simulated.fractions):
        shown = [fraction for _, fraction in points]
        assert shown == sorted(shown)
        assert shown[-1] > 0.9
        begun_s, ended_s = points[0][0], points[-1][0]
        if number > 1:  # once a trained trial has ended, the bar follows the time
            off = [abs(fraction - (at_s - begun_s) / (ended_s - begun_s)) for at_s, fraction in points]
            assert max(off) < 0.15


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_there_is_an_estimate_as_soon_as_training_has_a_pace(shape: tuple[float, float, float]) -> None:
    simulated = Simulated(plain_sweep(*shape)).run()
    first = next(at_s for at_s, total in simulated.predicted if total is not None)
    train_s, _, seed_s = shape
    assert first == pytest.approx(2 + seed_s + 2 + 0.05 * train_s, abs=1)
    assert all(total is not None for at_s, total in simulated.predicted if at_s > first)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_remaining_time_hardly_ever_rises(shape: tuple[float, float, float]) -> None:
    left = Simulated(plain_sweep(*shape)).run().left
    rises = [later - sooner for sooner, later in pairwise(left)]
    assert max(rises) < 0.02 * left[0]


def test_any_order_of_reports_is_survived() -> None:
    draw = random.Random(0)
    for _ in range(300):
        now_s = 0.0
        progress = SweepProgress("s", lambda: now_s)  # noqa: B023  # called in this round only
        progress.sweep_started("run", 3, [], "log")
        for number in range(3):
            trial = progress.trial_started(str(number), "search", "")
            shown = 0.0
            for _ in range(12):
                now_s += draw.choice([0, 0, 1, 50])
                total = draw.choice([0, 3, 3.5])
                report = TrialProgress(draw.choice(PHASES), "", draw.choice([0, 1, 2, 3]), total, 3)
                progress.trial_progress(str(number), report)
                left = progress.remaining_s()
                assert left is None or left >= 0
                assert shown <= trial.fraction < 1
                shown = trial.fraction
            progress.trial_finished(record(str(number)))
