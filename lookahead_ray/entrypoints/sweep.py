"""The command `sweep`: runs a search under the live view and prints its report."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from lookahead_ray import log_capture
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.entrypoints import errors
from lookahead_ray.entrypoints.chat_date import fix_chat_date
from lookahead_ray.errors import ConfigError, ModelError, StoreError
from lookahead_ray.filesystem import restoring_retry_limit
from lookahead_ray.presentation.harness_table import print_harness
from lookahead_ray.presentation.judge_calls import judge_calls, unjudged_line
from lookahead_ray.presentation.live_view import LiveView
from lookahead_ray.presentation.mechanism import print_mechanism
from lookahead_ray.presentation.sweep_progress import SweepProgress
from lookahead_ray.presentation.terminal import print_places, print_recommendation, print_trials
from lookahead_ray.trial.trainings import search_trials

if TYPE_CHECKING:
    from lookahead_ray.store import Hold
    from lookahead_ray.sweep.interfaces import Sink
    from lookahead_ray.sweep.search.warm_start import WarmStart


PICTURE = "tradeoff.png"
PLAIN_WIDTH = 110  # columns of the report if stdout is not a terminal


def sweep_and_report(path: Path, space: str, run: str | None, resume: bool, overrides: Sequence[str]) -> None:
    """Run the sweep of the file `path`, given by the user as `space`; on Ctrl-C, exit with code 130."""
    sweep = load_sweep(path, overrides)
    where = run or default_run(sweep.name)
    again = resume_command(space, where, overrides)
    console = stdout_console()
    started_s = time.monotonic()
    view = LiveView(sweep.name, console)
    with restoring_retry_limit(), errors.exit_on_error(lambda: interrupted_line(view.progress, where, again)):
        with lock_run(where, resume) as hold, view:
            # importing torch and Ray takes seconds, so it happens after the view has started
            from lookahead_ray.sweep.preflight import check

            found = check(sweep)
            hashes = found.hashes
            for line in found.remarks:
                view.preparing(line)
            sweep = fit_to_machines(sweep, where, view.preparing)
            sweep = generate_openings(sweep, path, overrides, view.preparing)
            warm = read_warm_start(sweep, hashes)
            for line in warm.lines:
                view.preparing(line)
            sink = open_sink(sweep, hold, hashes)
            from lookahead_ray.entrypoints.session import session
            from lookahead_ray.sweep.driver import run_sweep

            with session(hold, sweep) as ending:
                result = run_sweep(sweep, sink, view, warm)
                ending.interrupted = result.interrupted
        seconds = time.monotonic() - started_s
        if result.interrupted:
            if result.records:
                print_trials(console, result.records, None)
            raise KeyboardInterrupt
        print_trials(console, result.records, result.recommendation)
        print_mechanism(console, result.records)
        print_harness(console, result.records)
        print_recommendation(console, result.records, result.recommendation)
        for line in judge_calls(where, result.records):
            console.print(Text(f"judge {line}", style="dim"))
        for line in result.lines:
            errors.print_to_stderr(line)
        # drawing comes after the figures, which must not be lost if it fails
        from lookahead_ray.entrypoints.session import copy_to_run
        from lookahead_ray.presentation.tradeoff_plot import draw_tradeoff
        from lookahead_ray.store import Hold
        from lookahead_ray.sweep.recommend.recommended_yaml import RECOMMENDED_FILE, save_recommended
        from lookahead_ray.sweep.run_files import local_run_file

        config = local_run_file(result.run, RECOMMENDED_FILE, sweep.name)
        recommended = save_recommended(config, sweep.name, result.run, result.records, result.recommendation)
        picture = local_run_file(result.run, PICTURE, sweep.name)
        for line in draw_tradeoff(result.records, result.recommendation, picture, sweep.objective):
            errors.print_to_stderr(line)
        copy_to_run(Hold(where), sweep.name, (PICTURE, RECOMMENDED_FILE))
        print_places(console, result.run, picture, seconds, view.progress.log, recommended)
    if waiting := unjudged_line(result.records):
        errors.print_to_stderr(f"error: {waiting}; continue with: {again}")
        raise typer.Exit(errors.EXIT_UNKNOWN)
    searched = search_trials(result.records)
    if searched and all(record.status == "failed" for record in searched):
        errors.print_to_stderr("error: every trial of the search failed")
        raise typer.Exit(errors.EXIT_UNKNOWN)


def generate_openings(
    sweep: Sweep, path: Path, overrides: Sequence[str], say: Callable[[str], None]
) -> Sweep:
    """Return the sweep with openings generated by the seed model in place of their placeholders.

    Raises:
        ConfigError: the space with the openings breaks a rule.
        LookaheadRayError: the data or the model can't be used.
    """
    if not sweep.missing_openings:
        return sweep
    from lookahead_ray.sweep.search.seed_openings import seed_openings

    try:
        with log_capture.into(Path(os.devnull)):
            found = {
                field: seed_openings(sweep.reference(), ask, say)
                for field, ask in sweep.missing_openings.items()
            }
    except ModelError as error:
        raise ModelError(f"{sweep.source}: {error}") from error
    return replace(load_sweep(path, overrides, found), hardware=sweep.hardware, chat_date=sweep.chat_date)


def fit_to_machines(sweep: Sweep, run: str, say: Callable[[str], None]) -> Sweep:
    """Return the sweep with `auto` replaced by values that suit the hardware, and with the run's chat date.

    The precision and the date are those that `run` was started with, if it exists.

    Raises:
        ConfigError: a trial doesn't fit on the machine or the cluster.
    """
    from lookahead_ray import store
    from lookahead_ray.sweep.hardware import fit_to_hardware
    from lookahead_ray.sweep.run_files import LOG, local_run_file

    found = fit_to_hardware(sweep, local_run_file(run, LOG, sweep.name), say, store.precision_of(run))
    for line in found.lines:
        say(line)
    return fix_chat_date(found.sweep, run)


@contextmanager
def lock_run(run: str, resume: bool) -> Iterator["Hold"]:
    """Lock the run for this process, before any long operation.

    Raises `StoreError` if another process holds the lock, if the run has trials and `resume` is false, or at
    the end if another process took the run over.
    """
    from lookahead_ray import store

    with store.lock(run, errors.print_to_stderr) as hold:
        if not resume and (committed := store.trial_ids(run)):
            raise StoreError(
                f"{run}: already holds {len(committed)} trials of a sweep; continue with --resume, "
                "or choose another --run"
            )
        yield hold


def open_sink(sweep: Sweep, hold: "Hold", hashes: dict[str, str]) -> "Sink":
    """Return the store of the run that `hold` locks, as a sink.

    Args:
        hashes: hashes from the preflight of the data and models that the sweep's configuration names.

    Raises:
        StoreError: the run cannot be continued; the message names what has changed since it began.
    """
    from lookahead_ray import store
    from lookahead_ray.entrypoints.run_versions import differences, versions_now
    from lookahead_ray.entrypoints.spool import SpooledStore
    from lookahead_ray.sweep.interfaces import Sink
    from lookahead_ray.trial.record import TextStripper, TrialRecord

    precision = sweep.hardware.precision if sweep.hardware else None
    now = versions_now(judge.name for judge in sweep.reference().evaluation.judges)
    identity = store.SweepIdentity.new(
        sweep.name, sweep.hash, sweep.resolved, hashes, precision, sweep.chat_date, now
    )
    opened = store.create(hold.run, identity, hold)
    for line in differences(opened.identity.versions, now):
        errors.print_to_stderr(line)
    spooled = SpooledStore(opened)
    for line in spooled.restore():
        errors.print_to_stderr(line)
    stripper = TextStripper()
    committed = [stripper.strip_texts(record) for record in store.open(hold.run).each_record()]

    def load(trial_id: str) -> TrialRecord:
        return store.open(hold.run).record(trial_id)

    sweep_id = opened.identity.sweep_id
    return Sink(hold.run, sweep_id, committed, spooled.commit, load, opened.complete, hold.keep)


def default_run(name: str) -> str:
    """Return the default directory of a sweep's tables."""
    return f"runs/{name}"


def stdout_console() -> Console:
    """Return a console bound to the current stdout, so that a later redirection does not affect the view."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False)


def resume_command(space: str, run: str, overrides: Sequence[str]) -> str:
    """Return the command that resumes this sweep."""
    words = ["lookahead-ray", "sweep", space, "--run", run, "--resume"]
    for override in overrides:
        words += ["--set", override]
    return shlex.join(words)


def interrupted_line(progress: SweepProgress, run: str, again: str) -> str:
    """Return a line for Ctrl-C: how many trials are committed, and the command to resume."""
    if not progress.started:
        return f"interrupted before the search began; continue with: {again}"
    trials = "1 trial is" if progress.done == 1 else f"{progress.done} trials are"
    return f"interrupted: {trials} committed in {run}; continue with: {again}"


def read_warm_start(sweep: Sweep, hashes: Mapping[str, str]) -> "WarmStart":
    """Return the trials of the runs in `search.warm_start` that fit. Raises ConfigError naming the entry."""
    from lookahead_ray import store
    from lookahead_ray.sweep.search.warm_start import EarlierRun, warm_start
    from lookahead_ray.trial.measurement import versions

    runs = []
    for index, run in enumerate(sweep.search.warm_start):
        try:
            opened = store.open(run)
            runs.append(EarlierRun(run, opened.identity.hashes, opened.records()))
        except StoreError as error:
            raise ConfigError(f"{sweep.source}: search.warm_start.{index}: {error}") from error
    return warm_start(sweep, hashes, runs, versions())
