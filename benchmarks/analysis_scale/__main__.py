"""Run `python -m benchmarks.analysis_scale [--trials N] [--rows N] [--keep DIR]`."""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from benchmarks import machine
from benchmarks.analysis_scale.commands import measure_commands
from benchmarks.analysis_scale.synthesis import synthesise
from benchmarks.common import SCHEMA_VERSION, BenchmarkError, Raw, write_json

DEFAULT_OUT = Path("benchmarks/results")
PLAIN_WIDTH = 110  # columns when the output is not a terminal
SMALLER = 50  # the second run for `compare` has fewer trials by this factor


def main(
    trials: Annotated[int, typer.Option(min=12, help="Trials of the synthetic search.")] = 10_000,
    rows: Annotated[int, typer.Option(min=1, help="Generations of all trials together.")] = 10_000_000,
    out: Annotated[Path, typer.Option(help="Directory for the JSON file.")] = DEFAULT_OUT,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep the runs and all output here; existing runs are used again."),
    ] = None,
) -> None:
    """Measure time and memory of report, paper, compare and query on a synthetic run."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    started = datetime.now(UTC)
    facts: Raw = {
        "schema_version": SCHEMA_VERSION,
        "date": started.isoformat(timespec="seconds"),
        "machine": machine.machine(),
        "versions": machine.versions(),
        "git": machine.git(),
        "settings": {"trials": trials, "rows": rows},
    }

    def say(text: str) -> None:
        console.print(text, style="dim", markup=False)

    with tempfile.TemporaryDirectory(prefix="lookahead-ray-bench-") as scratch:
        folder = keep or Path(scratch)
        run, other = folder / "run", folder / "other"
        each = max(rows // trials, 4)
        for path, number, seed in ((run, trials, 0), (other, max(trials // SMALLER, 12), 1)):
            if not path.exists():
                say(f"{path}: generating {number:,} trials with {each:,} generations each")
                synthesise(path, number, each, seed)
        try:
            found = measure_commands(run, other, folder, say)
        except BenchmarkError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(1) from error
    console.print(table(found, trials, each))
    written = out / f"analysis-scale-{started:%Y-%m-%dT%H-%M-%SZ}.json"
    write_json(written, {**facts, "commands": found})
    console.print(f"\n{written}", soft_wrap=True)


def table(found: list[Raw], trials: int, rows: int) -> Table:
    """Return a table with one row per command; limits follow the figures that they apply to."""
    names = {"seconds": "seconds", "peak_rss_mib": "peak MiB", "output_mb": "output MB"}
    made = Table(
        Column("command"),
        *(Column(name, justify="right") for name in (*names.values(), "CPU s")),
        Column("limits"),
        title=f"analysis of {trials:,} trials with {rows:,} generations each, one process per command",
        title_justify="left",
    )
    for row in found:
        limits = ", ".join(f"{names[key]} < {value:,.0f}" for key, value in row["limits"].items())
        met = "" if not limits else f"met: {limits}" if row["met"] else f"NOT met: {limits}"
        cpu = "" if row["cpu_seconds"] is None else f"{row['cpu_seconds']:.1f}"
        figures = (f"{row['seconds']:.1f}", f"{row['peak_rss_mib']:,.0f}", f"{row['output_mb']:.1f}", cpu)
        made.add_row(row["name"], *figures, met)
    return made


if __name__ == "__main__":
    typer.run(main)
