"""Run `python -m benchmarks [--only NAME] [--precision FORMAT] [--quick] [--repetitions N] [--out DIR]`."""

import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import (
    commit,
    driver,
    generation,
    generation_search,
    generation_settings,
    limits,
    machine,
    packing,
    preview,
    training,
    training_search,
    training_settings,
    trial_cost,
)
from benchmarks.common import Benchmark, BenchmarkError, Raw, to_json, write_json
from benchmarks.limits import Limits, RequestedPrecision
from benchmarks.tables import print_benchmark
from lookahead_ray.errors import LookaheadRayError

DEFAULT_OUT = Path("benchmarks/results")
PLAIN_WIDTH = 110  # columns when the output is not a terminal


class Name(StrEnum):
    """The names of the benchmarks."""

    TRAINING = "training"
    GENERATION = "generation"
    GENERATION_FULL_LENGTH = "generation_full_length"
    TRIAL = "trial"
    PREVIEW = "preview"
    DRIVER = "driver"
    COMMIT = "commit"
    PACKING = "packing"
    PACKING_SPEED = "packing_speed"
    TRAINING_PEERS = "training_peers"
    GENERATION_PEERS = "generation_peers"


class Device(StrEnum):
    """The device that trains and generates."""

    CPU = "cpu"
    CUDA = "cuda"


def main(
    out: Annotated[Path, typer.Option(help="Directory for the JSON file and the logs.")] = DEFAULT_OUT,
    only: Annotated[Name | None, typer.Option(help="Run only this benchmark.")] = None,
    repetitions: Annotated[
        int | None, typer.Option(min=1, help="Repetitions of each variant; default 3, with --quick 1.")
    ] = None,
    preview_rows: Annotated[int, typer.Option(min=1, help="Rows of the benchmark preview.")] = 50_000,
    trials: Annotated[int, typer.Option(min=1, help="Trials of the benchmark driver.")] = 1000,
    data: Annotated[
        Path | None,
        typer.Option(
            help="JSONL file with GSM8K's fields for packing and packing_speed; default: word problems."
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Device of training and generation; with cuda only these and packing run.")
    ] = Device.CPU,
    precision: Annotated[
        RequestedPrecision,
        typer.Option(
            help="Precision of all variants. auto: the faster one, as `training.precision: auto` selects; "
            "both: training and generation in each, every variant compared in its faster one."
        ),
    ] = RequestedPrecision.AUTO,
    variants: Annotated[
        str, typer.Option(help="Variants of training or generation to measure, separated by commas.")
    ] = "",
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Use tiny sizes, to test that everything runs; the figures are meaningless."
        ),
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
    here = machine.machine()  # before anything runs, so that the load is that of other processes
    try:
        found = limits.measure_limits(limits.ON_GPU if device is Device.CUDA else limits.ON_CPU, logs)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    for line in limits.describe(here, found, precision):
        console.print(line, markup=False, soft_wrap=True)
    names = tuple(name.strip() for name in variants.split(",") if name.strip())
    setup = Setup(quick, preview_rows, trials, device, limits.resolve(precision, found), data, names)
    runs, settings = select_benchmarks(only, setup, times, found, logs, say)
    facts: Raw = {
        "date": started.isoformat(timespec="seconds"),
        "machine": {**here, "limits": asdict(found)},
        "versions": machine.versions(),
        "git": machine.git(),
        "settings": {"repetitions": times, "quick": quick, "precision": precision.value, **settings},
    }
    done: list[Benchmark] = []
    errors: dict[str, str] = {}
    try:
        for name, run in runs.items():
            try:
                done.append(run())
            except (BenchmarkError, LookaheadRayError) as error:
                errors[name] = str(error)
                print(f"error: {error}", file=sys.stderr)
            # after each benchmark, so that Ctrl-C keeps the finished ones
            write_json(path, to_json(done, errors, **facts))
    finally:
        for benchmark in done:
            print_benchmark(console, benchmark)
        if path.exists():
            console.print(f"\n{path}", soft_wrap=True)
    if errors:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Setup:
    """The settings from which those of each benchmark follow; `precision` is `bf16`, `fp32` or `both`."""

    quick: bool
    preview_rows: int
    trials: int
    device: Device
    precision: str
    data: Path | None = None
    variants: tuple[str, ...] = ()  # of training and generation; none: all


def select_benchmarks(
    only: Name | None, setup: Setup, times: int, found: Limits, logs: Path, say: Callable[[str], None]
) -> tuple[dict[Name, Callable[[], Benchmark]], Raw]:
    """Return the benchmarks to run, and their settings as JSON values."""
    quick, device = setup.quick, setup.device
    train = training_settings.QUICK if quick else training_settings.TrainingSettings()
    if device is Device.CUDA and not quick:
        train = training_settings.ON_GPU
    train = replace(train, device=device.value, precision=setup.precision)
    generate = generation_settings.QUICK if quick else generation_settings.GenerationSettings()
    to_the_end = generation_settings.FULL_LENGTH
    if quick:
        to_the_end = replace(generation_settings.QUICK, name="generation_full_length")
    generate, to_the_end = (
        replace(each, device=device.value, precision=setup.precision) for each in (generate, to_the_end)
    )
    # this benchmark compares no precisions: with `both` it runs in the one that `auto` selects
    of_trials = found.precision if setup.precision == limits.BOTH else setup.precision
    trial = replace(trial_cost.QUICK if quick else trial_cost.TrialSettings(), precision=of_trials)
    files = preview.QUICK if quick else preview.PreviewSettings(rows=setup.preview_rows)
    idle = driver.QUICK if quick else driver.DriverSettings(trials=setup.trials)
    tables = commit.QUICK if quick else commit.CommitSettings()
    data = str(setup.data) if setup.data else None
    packed = replace(packing.QUICK if quick else packing.PackingSettings(), data=data)
    packed_speed = replace(train, data=data)
    runs: dict[Name, Callable[[], Benchmark]] = {
        Name.TRAINING: lambda: training.run(train, found, times, logs, say, setup.variants),
        Name.GENERATION: lambda: generation.run(generate, times, logs, say, setup.variants),
        Name.GENERATION_FULL_LENGTH: lambda: generation.run(to_the_end, times, logs, say, setup.variants),
        Name.TRIAL: lambda: trial_cost.run(trial, times, logs, say),
        Name.PREVIEW: lambda: preview.run(files, times, logs, say),
        Name.DRIVER: lambda: driver.run(idle, logs, say),
        Name.COMMIT: lambda: commit.run(tables, times, logs, say),
        Name.PACKING: lambda: packing.run(packed, say),
        Name.PACKING_SPEED: lambda: packing.run_speed(packed_speed, times, logs, say),
        Name.TRAINING_PEERS: lambda: training_search.run(train, logs, say),
        Name.GENERATION_PEERS: lambda: generation_search.run(generate, logs, say),
    }
    settings = {
        Name.TRAINING: asdict(train),
        Name.GENERATION: asdict(generate),
        Name.GENERATION_FULL_LENGTH: asdict(to_the_end),
        Name.TRIAL: asdict(trial),
        Name.PREVIEW: asdict(files),
        Name.DRIVER: asdict(idle),
        Name.COMMIT: asdict(tables),
        Name.PACKING: asdict(packed),
        Name.PACKING_SPEED: asdict(packed_speed),
        Name.TRAINING_PEERS: asdict(train),
        Name.GENERATION_PEERS: asdict(generate),
    }
    generations = [Name.GENERATION, Name.GENERATION_FULL_LENGTH]
    searches = [Name.TRAINING_PEERS, Name.GENERATION_PEERS]
    on_gpu = [Name.TRAINING, *generations, Name.PACKING, Name.PACKING_SPEED, *searches]
    possible = list(Name) if device is Device.CPU else on_gpu
    # training and generation search for the peers' best settings themselves
    kept = [name for name in possible if name is only or (only is None and name not in searches)]
    return {name: runs[name] for name in kept}, {name.value: settings[name] for name in kept}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that measuring processes are terminated too
    typer.run(main)
