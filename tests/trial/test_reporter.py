"""What a rank reports, and how often."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.train.step import Step
from lookahead_ray.trial.lines import ProgressLines
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.reporter import ProgressReporter


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sent() -> list[TrialProgress]:
    return []


@pytest.fixture
def reporter(sent: list[TrialProgress], clock: Clock) -> ProgressReporter:
    reporter = ProgressReporter(sent.append, clock)
    sent.clear()
    return reporter


def step(number: int, of: int = 4) -> Step:
    return Step(number, number / of, 1.2345, 1e-3, 1.0, 400, 100, 2.0)


def test_it_begins_with_the_data(clock: Clock, sent: list[TrialProgress]) -> None:
    ProgressReporter(sent.append, clock)
    assert sent == [TrialProgress("starting", "reading the data")]


def test_at_most_one_report_a_second(
    reporter: ProgressReporter, sent: list[TrialProgress], clock: Clock
) -> None:
    answering = reporter.of("answering")
    for done in range(1, 1000):
        clock.now_s += 0.01
        answering(f"{done}", done, 1000)
    assert len(sent) in (10, 11)


def test_a_slow_machine_reports_each_time(
    reporter: ProgressReporter, sent: list[TrialProgress], clock: Clock
) -> None:
    for done in range(10):
        clock.now_s += 3
        reporter.report("answering", "", done, 10)
    assert [progress.done for progress in sent] == list(range(10))


def test_beginnings_and_ends_are_never_left_out(
    reporter: ProgressReporter, sent: list[TrialProgress]
) -> None:
    reporter.report("starting", "loading the model")
    reporter.report("reference", "KL", 0, 2)
    reporter.report("reference", "KL", 1, 2)
    reporter.report("reference", "KL", 2, 2)
    reporter.report("building", "counting FLOPs")
    reporter.report("building", "initialising DeepSpeed")
    assert [(progress.phase, progress.done) for progress in sent] == [
        ("starting", 0),
        ("reference", 0),
        ("reference", 2),
        ("building", 0),
        ("building", 0),
    ]


def test_steps_and_their_micro_batches(
    reporter: ProgressReporter, sent: list[TrialProgress], clock: Clock
) -> None:
    reporter.total_steps = 4

    def loss(model: Any, rows: Sequence[Rendered]) -> torch.Tensor:
        clock.now_s += 1
        return torch.tensor(float(len(rows)))

    watched = reporter.report_micro_batches(loss, micro_batches=4)
    reporter.training_begins(0)
    for number in (1, 2):
        for _ in range(4):
            assert watched(None, [Rendered((1,), (2,))] * 3).item() == 3
        reporter.on_step(step(number))
        clock.now_s += 1
    assert [progress.done for progress in sent] == [0, 0.25, 0.5, 0.75, 0.99, 1.25, 1.5, 1.75, 1.99]
    assert sent[0].detail == "training · step 0/4"
    assert sent[-1].detail == "training · epoch 0.2 · step 1/4 · loss 1.234 · 200 tokens/s"
    assert {(progress.total, progress.steps) for progress in sent} == {(4, 4)}


def test_training_continues_from_a_checkpoint(reporter: ProgressReporter, sent: list[TrialProgress]) -> None:
    reporter.total_steps = 4
    reporter.training_begins(2)
    assert (sent[-1].done, sent[-1].detail) == (2, "training · step 2/4")


def test_lines_come_where_a_phase_begins_and_every_ten_seconds(clock: Clock) -> None:
    written: list[str] = []
    lines = ProgressLines(written.append, clock)
    lines.show(TrialProgress("starting", "reading the data"))
    lines.show(TrialProgress("starting", "loading the model"))
    for second in range(26):
        clock.now_s += 1
        lines.show(TrialProgress("answering", f"{second} s", second, 100))
    lines.show(TrialProgress("judging", "judge refusal", 0, 10))
    assert written == ["reading the data", "loading the model", "0 s", "10 s", "20 s", "judge refusal"]


def test_lines_of_the_training_end_with_the_time_that_is_left(clock: Clock) -> None:
    written: list[str] = []
    lines = ProgressLines(written.append, clock)
    for step in (4, 5, 6, 24):
        lines.show(TrialProgress("training", f"step {step}/25", step, 25))
        clock.now_s += 20
    assert written == [
        "step 4/25",
        "step 5/25 · about 7 min left",
        "step 6/25 · about 6 min left",
        "step 24/25 · about 3 s left",
    ]


def test_each_model_of_a_trial_is_one_unit(
    reporter: ProgressReporter, clock: Clock, sent: list[TrialProgress]
) -> None:
    """Although the first one's answers ended early, so that its work is less than the second one's."""
    for index, (done, total) in enumerate([(300.0, 300.0), (100.0, 1000.0)]):
        clock.now_s += 5
        reporter.part_of("answering", index, 2)("answering", done, total)
    assert [(each.done, each.total) for each in sent[-2:]] == [(1.0, 2), (1.1, 2)]
    assert sent[-1].detail == "model 2 of 2 · answering"
    clock.now_s += 5
    reporter.part_of("judging", 0, 1)("judging", 0, 0)
    assert (sent[-1].done, sent[-1].total) == (0, 0)
