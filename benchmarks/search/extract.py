"""Convert a grid's run to a small Parquet file: `python -m benchmarks.search.extract RUN [--space FILE]`."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import BenchmarkError
from benchmarks.search.answers import Answers, Prompts, answers_of, prompts_of
from benchmarks.search.grid import Grid, key, make_grid, share_of
from benchmarks.search.grid_table import read_grid, write_grid
from lookahead_ray import store
from lookahead_ray.config.load import Sweep, load_sweep, trial_json
from lookahead_ray.config.objective import ParetoObjective
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.search.grid import grid_points
from lookahead_ray.sweep.search.references import vanilla_point
from lookahead_ray.trial.record import TrialRecord

HERE = Path(__file__).parent
SPACE, GRID = HERE / "grid.yaml", HERE / "grid.parquet"
SHARES_SPACE, SHARES = HERE / "shares.yaml", HERE / "shares.parquet"
KEPT_ROLES = ("seed", "vanilla", "search")


def extract(
    run: str,
    out: Path,
    space: Path,
    note: str = "",
    partial: bool = False,
    count_tokens: Callable[[str], int] | None = None,
    add: bool = False,
) -> tuple[int, int]:
    """Write the grid of `run`, a sweep over `space`; return the numbers of trainings written and missing.

    Args:
        note: describes how the grid was recorded.
        partial: whether trainings may be missing.
        count_tokens: returns the number of tokens of a text; None loads the model's tokenizer.
        add: whether the run's trainings are added to those in `out`, whose references stay.

    Raises:
        BenchmarkError: a trial is no point of the space or was measured on other prompts, `out` is no grid
            to add to; or, unless `partial`, a point is missing, failed, or was stopped early.
        StoreError: there is no run.
    """
    sweep = load_sweep(space)
    expected = {key(point): trial_shares(sweep, point) for point in grid_points(sweep)}
    earlier = read_grid(out, sweep) if add else None
    kept = [record for record in store.open(run).records() if record.role in KEPT_ROLES]
    done = [placed(record, sweep) for record in kept if record.status == "completed"]
    if earlier:
        done = [earlier.seed, *earlier.records, *not_in(earlier, done)]
    records = scored(done)
    shares: dict[str, set[float]] = {}
    for record in records:
        if record.role != "seed" and record.params:
            shares.setdefault(key(record.params), set()).add(share_of(record))
    if unknown := next((name for name in shares if name not in expected), None):
        raise BenchmarkError(f"{run}: trials must be points of {space}, got {unknown}")
    whole = {name for name, found in shares.items() if found == expected[name]}
    missing = len(expected) - len(whole)
    if missing and not partial:
        rule = f"must hold all {len(expected)} points of {space}"
        raise BenchmarkError(f"{run}: {rule}, {missing} are missing; --partial writes the others")
    records = [record for record in records if record.role != "search" or key(record.params) in whole]
    make_grid(sweep, records, {})  # checks them
    about = {
        "command": f"lookahead-ray sweep benchmarks/search/{space.name}",
        "note": note,
        "versions": json.dumps(done[-1].versions, sort_keys=True),
        "recorded": f"{min(r.started_at for r in records)} to {max(r.started_at for r in records)}",
        "space": space.read_text(encoding="utf-8"),
    }
    known = earlier.answers if earlier else {}
    prompts = earlier.prompts if earlier else prompts_of(records[0])
    new = [record for record in records if record.trial_id not in known]
    answers = {**known, **all_answers(sweep, new, prompts, count_tokens)} if prompts else {}
    write_grid(out, records, about, prompts, answers)
    return len(whole), missing


def not_in(grid: Grid, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the points that the grid lacks, with ids that name their sweep too."""
    known = {(key(record.params), share_of(record)) for record in grid.records}
    return [
        replace(
            record,
            trial_id=f"{record.sweep_id}/{record.trial_id}",
            training_id=f"{record.sweep_id}/{record.training_id}",
        )
        for record in records
        if record.role == "search" and (key(record.params), share_of(record)) not in known
    ]


def trial_shares(sweep: Sweep, point: Mapping[str, Any]) -> set[float]:
    """Return the shares that are measured after the training of a point."""
    return set(sweep.trial(lambda dimension: point[dimension.name]).merge.shares)


def placed(record: TrialRecord, sweep: Sweep) -> TrialRecord:
    """Return the record with the parameters of its point; the seed model has none.

    All points of vanilla's training have those of the point that it is, if the space contains it.
    """
    if record.role == "seed":
        return record
    if record.role == "vanilla" or (record.is_further_point and not record.params):
        record = replace(record, params=vanilla_point(sweep) or {})
    if record.role == "vanilla":
        return record
    try:
        config = sweep.trial(lambda dimension: record.params[dimension.name])
        wanted = trial_json(config.at_share(share_of(record)))
    except (KeyError, ValueError) as error:
        raise BenchmarkError(
            f"trial {record.trial_id}: must be a point of the space, got {record.params}"
        ) from error
    if field := next(_differing(wanted, record.config), None):
        raise BenchmarkError(f"trial {record.trial_id}: must be a point of the space, got another {field}")
    return record


def all_answers(
    sweep: Sweep,
    records: Sequence[TrialRecord],
    prompts: Prompts,
    count_tokens: Callable[[str], int] | None = None,
) -> dict[str, Answers]:
    """Return the answers of all records by trial id. BenchmarkError if one has other prompts."""
    count, limit = count_tokens or token_counter(sweep), sweep.reference().evaluation.task_new_tokens
    try:
        return {record.trial_id: answers_of(record, prompts, count, limit) for record in records}
    except ValueError as error:
        raise BenchmarkError(str(error)) from error


def token_counter(sweep: Sweep) -> Callable[[str], int]:
    """Return a function that counts the tokens of a text with the tokenizer of the sweep's model."""
    from lookahead_ray.model.load import load_tokenizer  # imports transformers, which takes seconds

    tokenizer = load_tokenizer(sweep.reference().model)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))


def _differing(wanted: Mapping[str, Any], got: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the fields whose values differ, except for those that a sweep fills in: `auto` and null."""
    for name, value in wanted.items():
        other = got.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from _differing(value, other, f"{path}{name}.")
        elif value not in ("auto", None) and value != other:
            yield f"{path}{name}"


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
    out: Annotated[Path | None, typer.Option(help="File to write; by default that of the space.")] = None,
    space: Annotated[Path, typer.Option(help="The space that was swept.")] = SPACE,
    note: Annotated[str, typer.Option(help="A note on how the grid was recorded.")] = "",
    partial: Annotated[bool, typer.Option("--partial", help="Write what has been measured so far.")] = False,
    add: Annotated[bool, typer.Option("--add", help="Add the run's trainings to those in the file.")] = False,
) -> None:
    """Convert a sweep over every point of a space to one file for the replay of searchers."""
    file = out or space.with_suffix(".parquet")
    try:
        count, missing = extract(run, file, space, note, partial, add=add)
    except (BenchmarkError, LookaheadRayError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    lacks = f", {missing} missing" if missing else ""
    print(f"{file}: {count} trainings{lacks}, {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    typer.run(main)
