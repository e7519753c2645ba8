"""`python -m benchmarks [--only NAME] [--quick] [--repetitions N] [--out DIR]`."""

import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import commit, driver, generation, machine, preview, training, trial_cost
from benchmarks.common import Benchmark, BenchmarkError, Raw, print_benchmark, to_json, write_json

DEFAULT_OUT = Path("benchmarks/results")
PLAIN_WIDTH = 110  # columns where there is no terminal to ask


class Name(StrEnum):
    """The benchmarks."""

    TRAINING = "training"
    GENERATION = "generation"
    GENERATION_FULL_LENGTH = "generation_full_length"
    TRIAL = "trial"
    PREVIEW = "preview"
    DRIVER = "driver"
    COMMIT = "commit"


class Device(StrEnum):
    """What trains and generates."""

    CPU = "cpu"
    CUDA = "cuda"


def main(
    out: Annotated[Path, typer.Option(help="Directory for the JSON file and the logs.")] = DEFAULT_OUT,
    only: Annotated[Name | None, typer.Option(help="Run this one alone.")] = None,
    repetitions: Annotated[
        int | None, typer.Option(min=1, help="Of each variant; 3, or 1 with --quick.")
    ] = None,
    preview_rows: Annotated[int, typer.Option(min=1, help="Of the benchmark preview.")] = 50_000,
    trials: Annotated[int, typer.Option(min=1, help="Of the benchmark driver.")] = 1000,
    device: Annotated[
        Device, typer.Option(help="Of training and generation; on cuda these two alone run.")
    ] = Device.CPU,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes, to see that it runs: its figures mean nothing.")
    ] = False,
) -> None:
    """Measure lookahead-ray and its peers side by side, print ratios, write JSON."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)

    def say(text: str) -> None:
        console.print(text, style="dim", markup=False)

    times = repetitions or (1 if quick else 3)
    started = datetime.now(UTC)
    stamp = started.strftime("%Y-%m-%dT%H-%M-%SZ")
    logs, path = out / stamp, out / f"{stamp}.json"
    runs, settings = chosen(only, quick, times, preview_rows, trials, device, logs, say)
    facts: Raw = {
        "date": started.isoformat(timespec="seconds"),
        "machine": machine.machine(),  # before anything runs: how busy the machine was
        "versions": machine.versions(),
        "git": machine.git(),
        "settings": {"repetitions": times, "quick": quick, **settings},
    }
    done: list[Benchmark] = []
    errors: dict[str, str] = {}
    try:
        for name, run in runs.items():
            try:
                done.append(run())
            except BenchmarkError as error:
                errors[name] = str(error)
                print(f"error: {error}", file=sys.stderr)
            write_json(path, to_json(done, errors, **facts))  # after each: Ctrl-C keeps what there is
    finally:
        for benchmark in done:
            print_benchmark(console, benchmark)
        if path.exists():
            console.print(f"\n{path}", soft_wrap=True)
    if errors:
        raise typer.Exit(1)


def chosen(
    only: Name | None,
    quick: bool,
    times: int,
    preview_rows: int,
    trials: int,
    device: Device,
    logs: Path,
    say: Callable[[str], None],
) -> tuple[dict[Name, Callable[[], Benchmark]], Raw]:
    """What to run, and its settings as JSON values."""
    train = training.QUICK if quick else training.TrainingSettings()
    generate = generation.QUICK if quick else generation.GenerationSettings()
    to_the_end = replace(generation.QUICK, name="generation_full_length") if quick else generation.FULL_LENGTH
    if device is Device.CUDA:
        train = training.QUICK if quick else training.ON_GPU
        train, generate = replace(train, device="cuda"), replace(generate, device="cuda")
        to_the_end = replace(to_the_end, device="cuda")
    trial = trial_cost.QUICK if quick else trial_cost.TrialSettings()
    files = preview.QUICK if quick else preview.PreviewSettings(rows=preview_rows)
    idle = driver.QUICK if quick else driver.DriverSettings(trials=trials)
    tables = commit.QUICK if quick else commit.CommitSettings()
    runs: dict[Name, Callable[[], Benchmark]] = {
        Name.TRAINING: lambda: training.run(train, times, logs, say),
        Name.GENERATION: lambda: generation.run(generate, times, logs, say),
        Name.GENERATION_FULL_LENGTH: lambda: generation.run(to_the_end, times, logs, say),
        Name.TRIAL: lambda: trial_cost.run(trial, times, logs, say),
        Name.PREVIEW: lambda: preview.run(files, times, logs, say),
        Name.DRIVER: lambda: driver.run(idle, logs, say),
        Name.COMMIT: lambda: commit.run(tables, times, logs, say),
    }
    settings = {
        Name.TRAINING: asdict(train),
        Name.GENERATION: asdict(generate),
        Name.GENERATION_FULL_LENGTH: asdict(to_the_end),
        Name.TRIAL: asdict(trial),
        Name.PREVIEW: asdict(files),
        Name.DRIVER: asdict(idle),
        Name.COMMIT: asdict(tables),
    }
    generations = [Name.GENERATION, Name.GENERATION_FULL_LENGTH]
    possible = list(Name) if device is Device.CPU else [Name.TRAINING, *generations]
    kept = [name for name in possible if only in (None, name)]
    return {name: runs[name] for name in kept}, {name.value: settings[name] for name in kept}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that measuring processes are ended too
    typer.run(main)
