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

from lookahead_ray import log_capture
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.entrypoints import errors
from lookahead_ray.errors import ConfigError, ModelError, StoreError
from lookahead_ray.presentation.live_view import LiveView
from lookahead_ray.presentation.sweep_progress import SweepProgress
from lookahead_ray.presentation.terminal import (
    print_mechanism,
    print_places,
    print_recommendation,
    print_trials,
)

if TYPE_CHECKING:
    from lookahead_ray.sweep.interfaces import Sink
    from lookahead_ray.sweep.search.warm_start import WarmStart


PICTURE = "tradeoff.png"
PLAIN_WIDTH = 110  # columns of the report where there is no terminal to ask


def sweep_and_report(path: Path, space: str, run: str | None, resume: bool, overrides: Sequence[str]) -> None:
    """Runs the sweep of the file `path`, which the user called `space`; ends with exit code 130 on Ctrl-C."""
    sweep = load_sweep(path, overrides)
    where = run or default_run(sweep.name)
    again = resume_command(space, where, overrides)
    console = stdout_console()
    started_s = time.monotonic()
    view = LiveView(sweep.name, console)
    with errors.guarded(lambda: interrupted_line(view.progress, where, again)):
        with lock_run(where, resume), view:
            # these import torch and Ray, which takes seconds: with the view up
            from lookahead_ray.sweep.preflight import check

            hashes = check(sweep).hashes
            sweep = fitted(sweep, where, view.preparing)
            sweep = with_openings(sweep, path, overrides, view.preparing)
            warm = read_earlier(sweep, hashes)
            for line in warm.lines:
                view.preparing(line)
            sink = open_sink(sweep, where, hashes)
            from lookahead_ray.entrypoints.session import session
            from lookahead_ray.sweep.driver import run_sweep

            with session(where, sweep) as ending:
                result = run_sweep(sweep, sink, view, warm)
                ending.interrupted = result.interrupted
        seconds = time.monotonic() - started_s
        if result.interrupted:
            if result.records:
                print_trials(console, result.records, None)
            raise KeyboardInterrupt
        print_trials(console, result.records, result.recommendation)
        print_mechanism(console, result.records)
        print_recommendation(console, result.records, result.recommendation)
        # after the figures: they must not be lost, should drawing fail
        from lookahead_ray.entrypoints.session import keep_beside
        from lookahead_ray.presentation.tradeoff_plot import draw_tradeoff
        from lookahead_ray.sweep.recommend.recommended_yaml import FILE, save_recommended
        from lookahead_ray.sweep.run_files import local_run_file

        config = local_run_file(result.run, FILE, sweep.name)
        told = result.records, result.recommendation
        recommended = save_recommended(config, sweep.name, result.run, *told)
        picture = local_run_file(result.run, PICTURE, sweep.name)
        draw_tradeoff(*told, picture, sweep.objective)
        keep_beside(where, sweep.name, (PICTURE, FILE))
        print_places(console, result.run, picture, seconds, view.progress.log, recommended)
    if result.records and all(record.status == "failed" for record in result.records):
        errors.say("error: every trial failed")
        raise typer.Exit(errors.EXIT_UNKNOWN)


def with_openings(sweep: Sweep, path: Path, overrides: Sequence[str], say: Callable[[str], None]) -> Sweep:
    """The same sweep with the seed model's own phrases where it asks for them.

    Raises:
        ConfigError: the space breaks a rule with them in it.
        LookaheadRayError: the data or the model can't be used.
    """
    if not sweep.asks:
        return sweep
    from lookahead_ray.sweep.search.seed_openings import seed_openings

    try:
        with log_capture.into(Path(os.devnull)):
            found = {field: seed_openings(sweep.reference(), ask, say) for field, ask in sweep.asks.items()}
    except ModelError as error:
        raise ModelError(f"{sweep.source}: {error}") from error
    return replace(load_sweep(path, overrides, found), hardware=sweep.hardware)


def fitted(sweep: Sweep, run: str, say: Callable[[str], None]) -> Sweep:
    """Return the sweep with values in place of `auto`: the precision that `run` began with, else what suits.

    Raises:
        ConfigError: a trial doesn't fit into the machine or the cluster.
    """
    from lookahead_ray import store
    from lookahead_ray.sweep.hardware import fit_to_hardware
    from lookahead_ray.sweep.run_files import LOG, local_run_file

    found = fit_to_hardware(sweep, local_run_file(run, LOG, sweep.name), say, store.precision_of(run))
    for line in found.lines:
        say(line)
    return found.sweep


@contextmanager
def lock_run(run: str, resume: bool) -> Iterator[None]:
    """Lock the run for this process, before anything that takes long.

    `StoreError` if another process holds it, or if it has trials and is not to be resumed.
    """
    from lookahead_ray import store

    with store.lock(run, errors.say):
        if not resume and (committed := store.trial_ids(run)):
            raise StoreError(
                f"{run}: already holds {len(committed)} trials of a sweep; go on with --resume, "
                "or choose another --run"
            )
        yield


def open_sink(sweep: Sweep, run: str, hashes: dict[str, str]) -> "Sink":
    """The run's store as a sink; it is held meanwhile. `StoreError` naming what changed since it began.

    Args:
        hashes: of what the sweep's configuration points to, as the preflight found it.
    """
    from lookahead_ray import store
    from lookahead_ray.sweep.interfaces import Sink
    from lookahead_ray.trial.record import TextStripper

    precision = sweep.hardware.precision if sweep.hardware else None
    identity = store.SweepIdentity.new(sweep.name, sweep.hash, sweep.resolved, hashes, precision)
    opened = store.create(run, identity)
    stripper = TextStripper()
    committed = [stripper.strip_texts(record) for record in store.open(run).each_record()]
    return Sink(run, opened.identity.sweep_id, committed, opened.commit)


def default_run(name: str) -> str:
    """Where a sweep's tables go unless told."""
    return f"runs/{name}"


def stdout_console() -> Console:
    """A console bound to what stdout is now: libraries that swap it later don't get the view."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False)


def resume_command(space: str, run: str, overrides: Sequence[str]) -> str:
    """The command that goes on with this sweep."""
    words = ["lookahead-ray", "sweep", space, "--run", run, "--resume"]
    for override in overrides:
        words += ["--set", override]
    return shlex.join(words)


def interrupted_line(progress: SweepProgress, run: str, again: str) -> str:
    """What Ctrl-C leaves, and how to go on."""
    if not progress.started:
        return f"interrupted before the search began; go on with: {again}"
    trials = "1 trial is" if progress.done == 1 else f"{progress.done} trials are"
    return f"interrupted: {trials} committed in {run}; go on with: {again}"


def read_earlier(sweep: Sweep, hashes: Mapping[str, str]) -> "WarmStart":
    """What fits of the runs that `search.warm_start` names. Raises ConfigError naming the entry."""
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
