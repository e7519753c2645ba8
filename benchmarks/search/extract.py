"""Convert a grid's run to one small Parquet file: `python -m benchmarks.search.extract RUN [--out FILE]`."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import BenchmarkError
from benchmarks.search.grid import make_grid, write_grid
from lookahead_ray import store
from lookahead_ray.config.load import content_hash, load_sweep, trial_json
from lookahead_ray.config.objective import ParetoObjective
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.search.grid import Point, grid_points
from lookahead_ray.trial.record import TrialRecord

HERE = Path(__file__).parent
SPACE, GRID = HERE / "grid.yaml", HERE / "grid.parquet"
KEPT_ROLES = ("seed", "vanilla", "search")


def extract(run: str, out: Path, space: Path, note: str = "") -> int:
    """Write the grid of `run`, a finished sweep over `space`; return the number of points.

    `note` describes how the grid was recorded.

    Raises:
        BenchmarkError: a point of the space is missing, failed, or was stopped early.
        StoreError: there is no run.
    """
    sweep = load_sweep(space)
    points = {
        content_hash(trial_json(sweep.trial(lambda dimension, point=point: point[dimension.name]))): point  # type: ignore[misc]
        for point in grid_points(sweep)
    }
    kept = [record for record in store.open(run).records() if record.role in KEPT_ROLES]
    records = scored([placed(record, points) for record in kept if record.status == "completed"])
    missing = len(points) - len(make_grid(sweep, records, {}).points)
    if missing:
        raise BenchmarkError(f"{run}: must hold all {len(points)} points of {space}, {missing} are missing")
    about = {
        "command": f"lookahead-ray sweep benchmarks/search/{space.name}",
        "note": note,
        "versions": json.dumps(records[-1].versions, sort_keys=True),
        "recorded": f"{min(r.started_at for r in records)} to {max(r.started_at for r in records)}",
        "space": space.read_text(encoding="utf-8"),
    }
    write_grid(out, records, about)
    return len(points)


def placed(record: TrialRecord, points: Mapping[str, Point]) -> TrialRecord:
    """Return the record with the parameters of the point that has its configuration; vanilla has none."""
    if record.role == "seed":
        return record
    point = points.get(record.config_hash)
    if point is None and record.role == "search":
        raise BenchmarkError(f"trial {record.trial_id}: must be a point of the space, got {record.params}")
    return replace(record, params=dict(point or {}))


def scored(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the records with safety and utility as their objectives, whatever the sweep's objective."""
    seed, vanilla = (next((r for r in records if r.role == role), None) for role in KEPT_ROLES[:2])
    if seed is None or vanilla is None:
        raise BenchmarkError(
            f"a grid must have a completed seed model and vanilla, got {sorted({r.role for r in records})}"
        )
    both = make_objective(ParetoObjective(name="pareto"))
    scores = [both.score(record, ReferenceTrials(seed, vanilla)) for record in records]
    return [
        replace(record, objectives=found.objectives, safety=found.safety)
        for record, found in zip(records, scores, strict=True)
    ]


def main(
    run: Annotated[str, typer.Argument(help="Directory of the sweep's run.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")] = GRID,
    space: Annotated[Path, typer.Option(help="The space that was swept.")] = SPACE,
    note: Annotated[str, typer.Option(help="A note on how the grid was recorded.")] = "",
) -> None:
    """Convert a sweep over every point of a space to one file for the replay of searchers."""
    try:
        count = extract(run, out, space, note)
    except (BenchmarkError, LookaheadRayError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    print(f"{out}: {count} points, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    typer.run(main)
