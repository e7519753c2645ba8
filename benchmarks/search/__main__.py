"""Run `python -m benchmarks.search COMMAND` on a recorded grid: replays of searches, and tables."""

import json
import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from benchmarks import machine
from benchmarks.common import BenchmarkError, Raw, write_json
from benchmarks.search.extract import GRID, SHARES, SHARES_SPACE, SPACE
from benchmarks.search.grid import Grid, key
from benchmarks.search.grid_table import SCHEMA_VERSION, read_grid
from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.search import StoppingConfig
from lookahead_ray.sweep.search.grid import grid_points

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
    searchers: Annotated[list[str] | None, typer.Option(help="Searchers to replay; by default all.")] = None,
) -> None:
    """Compare our search, Ray's OptunaSearch, random and grid search by training tokens.

    With several shares after each training, also by generated tokens, with searches of further kinds.
    """
    from benchmarks.search import replay as replaying
    from benchmarks.search import tables
    from benchmarks.search.draw import draw

    grid, console, start = _read(file, space), _console(), _stamp()
    known = replaying.searchers_for(grid)
    if unknown := set(searchers or ()) - set(known):
        _fail(f"--searchers must be of {', '.join(known)}, got {', '.join(sorted(unknown))}")
    traces = replaying.replay(grid, searchers or known, seeds)
    whole = tables.Whole(grid.train_tokens, grid.generated_tokens)
    standings = {name: tables.standing(runs, whole) for name, runs in traces.items()}
    found = tables.targets(standings, tables.TARGETS_OF_SHARES if len(grid.shares) > 1 else tables.TARGETS)
    _warn_of_missing(grid, console)
    console.print(tables.standing_table(standings, replaying.LABELS, whole))
    for target in found:
        console.print(tables.target_line(target, replaying.LABELS), soft_wrap=True)
    picture = out / f"search-{start}.png"
    draw(picture, traces, replaying.LABELS, whole.tokens)
    facts = {"seeds": seeds, "points": len(grid.records), **_grid_facts(grid)}
    written = out / f"search-{start}.json"
    write_json(written, {**_facts(start), **facts, **tables.standing_json(standings, found)})
    console.print(f"\n{picture}\n{written}", soft_wrap=True)


@app.command()
def floor(
    file: FileOption = SHARES,
    space: SpaceOption = SHARES_SPACE,
    out: OutOption = DEFAULT_OUT,
    seeds: Annotated[int, typer.Option(min=1, help="Number of random seeds.")] = 10,
    least: Annotated[float, typer.Option(min=0, help="The floor, relative to the seed model.")] = 0.9,
) -> None:
    """Count the trainings to a recommendation under a floor, with and without shares."""
    from benchmarks.search import floor as counting

    grid, console, start = _read(file, space), _console(), _stamp()
    if not grid.answers or len(grid.shares) < 2:
        _fail(f"{file}: must be a grid with several shares and answers")
    found = counting.compare(grid, seeds, least)
    _warn_of_missing(grid, console)
    for line in counting.lines(found):
        console.print(line, soft_wrap=True)
    written = out / f"floor-{start}.json"
    write_json(written, {**_facts(start), "seeds": seeds, **_grid_facts(grid), **asdict(found)})
    console.print(f"\n{written}", soft_wrap=True)


@app.command()
def sequential(
    file: FileOption = SHARES,
    space: SpaceOption = SHARES_SPACE,
    out: OutOption = DEFAULT_OUT,
    orders: Annotated[int, typer.Option(min=1, help="Number of random orders of the trainings.")] = 50,
) -> None:
    """Count the generated tokens that measuring in portions saves, under each objective."""
    from benchmarks.search import saving

    grid, console, start = _read_answered(file, space), _console(), _stamp()
    found = saving.savings(grid, orders)
    _warn_of_missing(grid, console)
    for line in saving.lines(found):
        console.print(line, soft_wrap=True)
    written = out / f"sequential-{start}.json"
    rows: Raw = {"savings": [asdict(each) for each in found]}
    write_json(written, {**_facts(start), **_grid_facts(grid), **rows})
    console.print(f"\n{written}", soft_wrap=True)


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
    if len(grid.shares) > 1:
        _fail(f"{file}: must have one share per training, as signals are measured before a merge")
    ranks = judging.ranks(grid)
    console.print(tables.rank_table(ranks))
    discards = judging.discards(grid, StoppingConfig(), orders)
    console.print(tables.discard_table(discards))
    written = out / f"signals-{start}.json"
    rows: Raw = {"ranks": [asdict(each) for each in ranks], "discards": [asdict(each) for each in discards]}
    write_json(written, {**_facts(start), "grid": dict(grid.about), **rows})
    console.print(f"\n{written}", soft_wrap=True)


@app.command()
def curves(
    file: FileOption = SHARES, space: SpaceOption = SHARES_SPACE, out: OutOption = DEFAULT_OUT
) -> None:
    """Show the rates of each preview at each share, averaged over its trainings."""
    from benchmarks.search import curves as drawing

    grid, console, start = _read_answered(file, space), _console(), _stamp()
    points = drawing.curve_points(grid)
    _warn_of_missing(grid, console)
    console.print(drawing.curve_table(points, grid))
    picture = out / f"curves-{start}.png"
    drawing.draw_curves(picture, points, grid)
    console.print(f"\n{picture}", soft_wrap=True)


@app.command()
def missing(file: FileOption = SHARES, space: SpaceOption = SHARES_SPACE) -> None:
    """Print the options of `lookahead-ray sweep` by which a run records what a partial grid lacks."""
    grid = _read(file, space)
    points = [point for point in grid_points(grid.sweep) if key(point) not in grid.trainings]
    if not points:
        print("no training is missing")
        return
    listed = ", ".join(json.dumps(point) for point in points)
    print(f"--set search.trials={len(points)} --set {shlex.quote(f'search.enqueue=[{listed}]')}")


def _read(file: Path, space: Path) -> Grid:
    try:
        return read_grid(file, load_sweep(space))
    except BenchmarkError as error:
        _fail(str(error))


def _read_answered(file: Path, space: Path) -> Grid:
    grid = _read(file, space)
    if not grid.answers:
        _fail(f"{file}: must be a grid with answers")
    return grid


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(1)


def _grid_facts(grid: Grid) -> Raw:
    return {
        "trainings": len(grid.trainings),
        "grid_tokens": grid.train_tokens,
        "grid_generated_tokens": grid.generated_tokens,
        "grid": dict(grid.about),
    }


def _warn_of_missing(grid: Grid, console: Console) -> None:
    whole = len(grid_points(grid.sweep))
    if len(grid.trainings) < whole:
        console.print(f"a partial grid: {len(grid.trainings)} of {whole} trainings; the others always fail")


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
