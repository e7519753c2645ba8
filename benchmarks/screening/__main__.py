"""Run `python -m benchmarks.screening RUN`: how well screening ranks the previews of a recorded run.

For each preview that was trained, the seed model's loss of the first answer tokens (as `lookahead-ray screen`
computes it, before any training) is compared with what its trainings did: KL at the first answer token, mean
KL over the first answer tokens, and RSR. RUN is a run's directory or URL, or a file of
`benchmarks.search.extract` with its `--space`. Of a merge only the share 1 counts.

A training's results are taken relative to the mean of all trainings with the same other settings (learning
rate, epochs), then averaged for each preview. Spearman's rho has a 95 % bootstrap interval over previews.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.common import BenchmarkError, Raw, write_json
from benchmarks.screening.ranks import LEAST_PREVIEWS, LENGTHS, Part, Rank, effects_of, losses_of, rank
from benchmarks.screening.trainings import OUTCOMES, Training, read_trainings
from benchmarks.search.extract import SPACE
from benchmarks.tables import column_heads
from lookahead_ray.config.preview import NoPreview, PreviewConfig
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.evaluate.opening_loss import OpeningNats
from lookahead_ray.hardware.node import describe_local_node
from lookahead_ray.sweep.evaluate_model import resolve_for_evaluation
from lookahead_ray.sweep.search.screening import row_losses

SCHEMA_VERSION = 1
DEFAULT_OUT = Path("benchmarks/results")
PLAIN_WIDTH = 110  # columns when the output is not a terminal

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a recorded grid (.parquet).")],
    space: Annotated[Path, typer.Option("--space", help="The space file of a recorded grid.")] = SPACE,
    rows: Annotated[int, typer.Option("--rows", min=2, help="Number of training rows.")] = 32,
    out: Annotated[Path, typer.Option("--out", help="Directory for the JSON file.")] = DEFAULT_OUT,
) -> None:
    """Compare the losses before training with the results after it."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    try:
        config, trainings = read_trainings(run, space)
        previews = list(dict.fromkeys(training.preview for training in trainings))
        if sum(not isinstance(preview, NoPreview) for preview in previews) < LEAST_PREVIEWS:
            raise BenchmarkError(f"{run}: must have trained at least {LEAST_PREVIEWS} previews")
        resolved, _ = resolve_for_evaluation(config, describe_local_node())
        nats = row_losses(
            resolved, previews, rows=rows, tokens=max(LENGTHS), progress=lambda done, count: None
        )
    except (BenchmarkError, LookaheadRayError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    ranks = rank(previews, nats, trainings)
    console.print(rank_table(ranks))
    used = f"{len(trainings)} trainings, {len(previews)} previews, {len(nats[0])} rows"
    start = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    written = out / f"screening-{start}.json"
    facts: Raw = {
        "schema_version": SCHEMA_VERSION,
        "date": start,
        "machine": machine.machine(),
        "versions": machine.versions(),
        "git": machine.git(),
        "run": run,
        "trainings": len(trainings),
        "rows": len(nats[0]),
        "previews": _previews_json(previews, nats, trainings),
        "ranks": [asdict(each) for each in ranks],
    }
    write_json(written, facts)
    console.print(f"{used}\n\n{written}", soft_wrap=True)


def rank_table(ranks: Sequence[Rank]) -> Table:
    """Return a table with one row for each loss and result."""
    table = Table(
        *column_heads("loss of the first tokens", "with", "rho of previews", "n", "with no preview too", "n"),
        title="Spearman's rho of the seed model's loss with results of training, and its 95 % interval",
        title_justify="left",
    )
    words = {"trained": "as trained", "answer": "of the answer"}
    cells: dict[tuple[Part, int, str], list[str]] = defaultdict(list)
    for each in ranks:
        text = f"{each.rho:+.2f} [{each.low:+.2f}, {each.high:+.2f}]"
        cells[each.part, each.tokens, each.outcome] += [text, str(each.n)]
    for (part, tokens, outcome), texts in cells.items():
        table.add_row(f"{tokens} {words[part]}", OUTCOMES[outcome], *texts)
    return table


def _previews_json(
    previews: Sequence[PreviewConfig], nats: Sequence[Sequence[OpeningNats]], trainings: Sequence[Training]
) -> list[Raw]:
    losses = list(losses_of(nats))
    effects = {outcome: effects_of(trainings, outcome) for outcome in OUTCOMES}
    return [
        {
            "preview": preview.model_dump(mode="json"),
            "losses": {f"{part}_{tokens}": values[index] for part, tokens, values in losses},
            "effects": {name: found[preview] for name, found in effects.items() if preview in found},
        }
        for index, preview in enumerate(previews)
    ]


if __name__ == "__main__":
    app()
