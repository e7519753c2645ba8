import io
import re
import threading
import time

import pytest
from rich.console import Console

from lookahead_ray.presentation.live_panel import draw
from lookahead_ray.presentation.live_view import LiveView
from lookahead_ray.presentation.sweep_progress import SweepProgress
from lookahead_ray.sweep.interfaces import TrialProgress
from tests.presentation.records import HOSTILE, record, sweep, virtual


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


TRAINING = "training · epoch 1.0 · step 12/48 · loss 1.234 · 1,812 tokens/s"
ANSWERING = "answering 157 [x]prompts per rank · 31 % · 1,240 tokens · 210 tokens/s"


def training(step: int = 12) -> TrialProgress:
    return TrialProgress("training", TRAINING, step, 48, 48)


def under_way(clock: Clock, trials: int = 12) -> SweepProgress:
    progress = SweepProgress("quick[bold]start", clock)
    progress.sweep_started("runs/quickstart", trials, sweep(), "runs/quickstart/driver.log")
    progress.trial_started("a", "search", "true, 9 tokens")
    progress.trial_progress("a", training(0))
    progress.trial_started("b", "search", HOSTILE)
    progress.trial_progress("b", TrialProgress("answering", ANSWERING, 0, 100, 48))
    clock.now_s += 25
    progress.trial_progress("a", training())
    progress.trial_progress("b", TrialProgress("answering", ANSWERING, 31, 100, 48))
    return progress


def rendered(progress: SweepProgress, width: int, height: int = 40) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=height).print(draw(progress, width, height))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 130])
def test_the_view_says_everything_and_fits(width: int) -> None:
    text = rendered(under_way(Clock()), width)
    assert max(map(len, text.splitlines())) <= width
    assert "quick[bold]start · runs/quickstart" in text
    assert "8/12 trials" in text
    assert re.search(r"25 s, about \d+ min \d\d s left", text)
    assert "true, 9 tokens" in text
    assert TRAINING in text
    assert ANSWERING in text
    assert len(re.findall(r" [1-9]\d? % +│$", text, re.MULTILINE)) == 2, "both bars have moved"
    assert "objective 0.740 · RSR 71 % · utility 42 %" in text
    assert "1 failed · last: ModelError: [red]out of memory[/] in rank 1" in text
    assert "[bold red]x[/]" in text, "markup in a label is text"
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_before_the_search_and_before_the_first_end() -> None:
    progress = SweepProgress("quickstart", Clock())
    assert "starting" in rendered(progress, 80)
    progress.sweep_started("run", 3, [], "")
    progress.trial_started("a", "seed", "seed")
    assert "estimating…" in rendered(progress, 80)
    assert "none yet" in rendered(progress, 80)


@pytest.mark.parametrize("height", [24, 30, 50])
@pytest.mark.parametrize("width", [80, 120])
def test_many_trials_stay_within_the_terminal(width: int, height: int) -> None:
    progress = under_way(Clock(), 400)
    for n in range(100):
        progress.trial_finished(record(f"f{n}", preview=virtual("a rather long prefix " * 5), objective=0.1))
    for n in range(40):
        progress.trial_started(f"r{n}", "search", "true, 3 tokens")
    lines = rendered(progress, width, height).splitlines()
    assert len(lines) <= height
    assert any("more running" in line for line in lines)


def test_a_terminal_is_redrawn_by_its_own_thread_and_restored() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, height=40, force_terminal=True, legacy_windows=False)
    before = set(threading.enumerate())
    with LiveView("quickstart", console) as view:
        view.sweep_started("id", "runs/quickstart", 3, [], "log")
        view.trial_started("a", "search", HOSTILE)
        view.trial_progress("a", training())
        deadline = time.monotonic() + 10
        while "step 12/48" not in out.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert "step 12/48" in out.getvalue()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert "\x1b[?25h" in out.getvalue(), "the cursor is shown again"
    assert "\x1b]0;title" not in out.getvalue()


def test_a_crash_restores_the_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, height=40, force_terminal=True, legacy_windows=False)
    with pytest.raises(RuntimeError), LiveView("quickstart", console):
        raise RuntimeError
    assert "\x1b[?25h" in out.getvalue()


def test_no_color_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=True, legacy_windows=False).print(
        draw(under_way(Clock()), 100, 40)
    )
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", out.getvalue())


def test_without_a_terminal_each_event_is_a_line() -> None:
    out, clock = io.StringIO(), Clock()
    with LiveView("quickstart", Console(file=out, width=80), clock) as view:
        seed, vanilla, *_, failed = sweep()
        view.sweep_started("id", "runs/quickstart", 4, [seed], "driver.log")
        view.trial_started(vanilla.trial_id, "vanilla", "vanilla")
        clock.now_s += 100
        view.trial_finished(vanilla)
        view.trial_started(failed.trial_id, "search", HOSTILE)
        view.trial_finished(failed)
        view.sweep_finished(interrupted=False)
    assert out.getvalue().splitlines() == [
        "quickstart: starting",
        "quickstart: 4 trials, 1 of them committed before, run runs/quickstart, log driver.log",
        "[1/4] started: vanilla",
        "[2/4] finished: vanilla: RSR 31 %, JSR 6 %, over-refusal 2 %, utility 44 %, objective 0.500, "
        "1 min 40 s; about 3 min 20 s left",
        r"[2/4] started: [bold red]x[/] $\frac{1}{2}$ evil new line [/nope]",
        r"[3/4] failed: [bold red]x[/] $\frac{1}{2}$ evil new line [/nope]: ModelError: [red]out of "
        "memory[/] in rank 1; about 1 min 40 s left",
        "[3/4] sweep finished, 1 failed",
    ]


def test_a_restart_is_printed_and_in_the_view() -> None:
    out, clock = io.StringIO(), Clock()
    with LiveView("quickstart", Console(file=out, width=80), clock) as view:
        view.sweep_started("id", "run", 2, [], "log")
        view.trial_started("a", "search", "true, 6 tokens")
        view.trial_progress("a", training())
        view.trial_restarted("a", 1, 2)
        restarted = rendered(view.progress, 120)
        view.trial_progress("a", training())
    assert out.getvalue().splitlines()[-2:] == [
        "[0/2] restarted (1 of 2): true, 6 tokens",
        f"[0/2] running: true, 6 tokens: restarted (1 of 2) · {TRAINING}; 0 % of the trial, estimating…",
    ]
    assert "restarted (1 of 2) · starting" in restarted
    assert "restarted (1 of 2) · training · epoch 1" in rendered(view.progress, 120)


def test_without_a_terminal_progress_is_no_flood() -> None:
    out, clock = io.StringIO(), Clock()
    with LiveView("quickstart", Console(file=out, width=80), clock) as view:
        view.sweep_started("id", "run", 2, [record("v", "vanilla", seconds=240)], "log")
        view.trial_started("a", "search", "true, 6 tokens")
        view.trial_progress("a", training(0))
        for quarter in range(480):
            clock.now_s += 0.25
            view.trial_progress("a", training(1 + quarter // 10))
    running = [line for line in out.getvalue().splitlines() if "running" in line]
    assert len(running) == 4  # the first step, and three in 120 s
    line = rf"\[1/2\] running: true, 6 tokens: {re.escape(TRAINING)}; \d+ % of the trial, about .+ left"
    assert all(re.fullmatch(line, told) for told in running)


def test_without_a_terminal_silence_is_reported_too() -> None:
    out, clock = io.StringIO(), Clock()
    with LiveView("quickstart", Console(file=out, width=80), clock) as view:
        view.still_running()
        view.sweep_started("id", "run", 2, [], "log")
        view.trial_started("a", "seed", "seed")
        view.trial_progress("a", TrialProgress("starting", "loading the model"))
        for _ in range(3):
            clock.now_s += 20
            view.still_running()
    assert out.getvalue().splitlines()[3:] == [
        "[0/2] running: seed: loading the model · for 40 s; 0 % of the trial, estimating…"
    ]
