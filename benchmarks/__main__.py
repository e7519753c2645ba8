"""`python -m benchmarks [--only NAME] [--quick] [--repetitions N] [--out DIR]`."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import generation, machine, training, trial_cost
from benchmarks.common import Benchmark, BenchmarkError, print_benchmark, to_json, write_json


class Name(StrEnum):
    """The benchmarks."""

    TRAINING = "training"
    GENERATION = "generation"
    TRIAL = "trial"


def main(
    out: Annotated[Path, typer.Option(help="Directory for the JSON file and the logs.")] = Path(
        "benchmarks/results"
    ),
    only: Annotated[Name | None, typer.Option(help="Run this one alone.")] = None,
    repetitions: Annotated[
        int | None, typer.Option(min=1, help="Of each variant; 3, or 1 with --quick.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes: does it run? Its figures mean nothing.")
    ] = False,
) -> None:
    """Measure lookahead-ray and its peers side by side, print ratios, write JSON."""
    times = repetitions or (1 if quick else 3)
    settings = {
        Name.TRAINING: training.QUICK if quick else training.TrainingSettings(),
        Name.GENERATION: generation.QUICK if quick else generation.GenerationSettings(),
        Name.TRIAL: trial_cost.QUICK if quick else trial_cost.TrialSettings(),
    }
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    say = lambda text: console.print(f"[dim]{text}[/dim]")  # noqa: E731
    started = datetime.now(UTC)
    stamp = started.strftime("%Y-%m-%dT%H-%M-%SZ")
    logs, path = out / stamp, out / f"{stamp}.json"
    facts = {
        "date": started.isoformat(timespec="seconds"),
        "machine": machine.machine(),  # before anything runs: how busy the machine was
        "versions": machine.versions(),
        "git": machine.git(),
        "settings": {
            "repetitions": times,
            "quick": quick,
            **{name.value: asdict(chosen) for name, chosen in settings.items() if only in (None, name)},
        },
    }
    runs: dict[Name, Callable[[], Benchmark]] = {
        Name.TRAINING: lambda: training.run(settings[Name.TRAINING], times, logs, say),
        Name.GENERATION: lambda: generation.run(settings[Name.GENERATION], times, logs, say),
        Name.TRIAL: lambda: trial_cost.run(settings[Name.TRIAL], times, logs, say),
    }
    done: list[Benchmark] = []
    try:
        for name, run in runs.items():
            if only in (None, name):
                done.append(run())
                write_json(path, to_json(done, **facts))  # after each: a later one may fail
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    finally:
        for benchmark in done:
            print_benchmark(console, benchmark)
        if done:
            console.print(f"\n{path}")


if __name__ == "__main__":
    typer.run(main)
