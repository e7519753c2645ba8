"""Run `python -m benchmarks.search [replay | signals]` on the recorded grid, without training."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import machine
from benchmarks.common import BenchmarkError, Raw, write_json
from benchmarks.search.extract import GRID, SPACE
from benchmarks.search.grid import SCHEMA_VERSION, Grid, read_grid
from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.search import StoppingConfig

DEFAULT_OUT = Path("benchmarks/results")
PLAIN_WIDTH = 110  # columns when the output is not a terminal
FileOption = Annotated[Path, typer.Option("--grid", help="The recorded grid.")]
SpaceOption = Annotated[Path, typer.Option("--space", help="The space file of the grid.")]
OutOption = Annotated[Path, typer.Option("--out", help="Directory for the JSON file and the picture.")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Compare searchers and early stopping on a recorded grid; without a command, `replay`."""
    if context.invoked_subcommand is None:
        replay(GRID, SPACE, DEFAULT_OUT, 50)


@app.command()
def replay(
    file: FileOption = GRID,
    space: SpaceOption = SPACE,
    out: OutOption = DEFAULT_OUT,
    seeds: Annotated[int, typer.Option(min=1, help="Number of random seeds per searcher.")] = 50,
) -> None:
    """Compare our search, Ray's OptunaSearch, random and grid search by training tokens."""
    from benchmarks.search import replay as replaying
    from benchmarks.search import tables
    from benchmarks.search.draw import draw

    grid, console, start = _read(file, space), _console(), _stamp()
    traces = replaying.replay(grid, list(replaying.SEARCHERS), seeds)
    whole = grid.train_tokens
    standings = {name: tables.standing(runs, whole) for name, runs in traces.items()}
    found = tables.targets(standings)
    console.print(tables.standing_table(standings, replaying.LABELS, whole))
    for target in found:
        console.print(tables.target_line(target, replaying.LABELS))
    picture = out / f"search-{start}.png"
    draw(picture, traces, replaying.LABELS, whole)
    facts = {"seeds": seeds, "points": len(grid.points), "grid_tokens": whole, "grid": dict(grid.about)}
    written = out / f"search-{start}.json"
    write_json(written, {**_facts(start), **facts, **tables.standing_json(standings, found)})
    console.print(f"\n{picture}\n{written}", soft_wrap=True)


@app.command()
def signals(
    file: FileOption = GRID,
    space: SpaceOption = SPACE,
    out: OutOption = DEFAULT_OUT,
    orders: Annotated[int, typer.Option(min=1, help="Number of random orders of the grid's trials.")] = 200,
) -> None:
    """Measure how well early signals rank trials, and how often early stopping discards the best one."""
    from benchmarks.search import signals as judging
    from benchmarks.search import tables

    grid, console, start = _read(file, space), _console(), _stamp()
    ranks = judging.ranks(grid)
    console.print(tables.rank_table(ranks))
    discards = judging.discards(grid, StoppingConfig(), orders)
    console.print(tables.discard_table(discards))
    written = out / f"signals-{start}.json"
    rows: Raw = {"ranks": [asdict(each) for each in ranks], "discards": [asdict(each) for each in discards]}
    write_json(written, {**_facts(start), "grid": dict(grid.about), **rows})
    console.print(f"\n{written}", soft_wrap=True)


def _read(file: Path, space: Path) -> Grid:
    try:
        return read_grid(file, load_sweep(space))
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")


def _facts(start: str) -> Raw:
    return {
        "schema_version": SCHEMA_VERSION,
        "date": start,
        "machine": machine.machine(),
        "versions": machine.versions(),
        "git": machine.git(),
    }


if __name__ == "__main__":
    app()
