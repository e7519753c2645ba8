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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata  # type: ignore[import-untyped]

from benchmarks import machine
from benchmarks.common import BenchmarkError, Raw, write_json
from benchmarks.search.extract import SPACE
from benchmarks.search.grid import read_grid, share_of
from benchmarks.tables import column_heads
from lookahead_ray import store
from lookahead_ray.config.dimension import substitute
from lookahead_ray.config.load import content_hash, load_sweep
from lookahead_ray.config.preview import NoPreview, PreviewConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.evaluate.opening_loss import OpeningNats
from lookahead_ray.hardware.node import describe_local_node
from lookahead_ray.stats.interval import Interval
from lookahead_ray.sweep.evaluate_model import resolve_for_evaluation
from lookahead_ray.sweep.search.screening import row_losses
from lookahead_ray.trial.record import TrialRecord

SCHEMA_VERSION = 1
DEFAULT_OUT = Path("benchmarks/results")
PLAIN_WIDTH = 110  # columns when the output is not a terminal
LENGTHS = (1, 2, 4, 8)  # numbers of first answer tokens whose loss is compared
RESAMPLES = 5000
LEAST_PREVIEWS = 4  # with fewer, a rank correlation says nothing

Part = Literal["trained", "answer"]
OUTCOMES: Mapping[str, str] = {"first_kl": "first-token KL", "mean_kl": "mean KL", "rsr": "RSR"}
_PREVIEW: TypeAdapter[PreviewConfig] = TypeAdapter(PreviewConfig)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Training:
    """One training's preview, its other settings as a text, and its results by name of `OUTCOMES`."""

    preview: PreviewConfig
    setting: str
    results: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rank:
    """Spearman's rho between a loss and a result over `n` previews, with its 95 % interval.

    The loss is that of the first `tokens` tokens of the answer as trained, or of the task's own answer.
    `with_none`: whether plain fine-tuning is one of the previews.
    """

    part: Part
    tokens: int
    outcome: str
    with_none: bool
    rho: float
    low: float
    high: float
    n: int


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


def read_trainings(run: str, space: Path) -> tuple[TrialConfig, list[Training]]:
    """Return vanilla's configuration and all completed trainings at share 1.

    Raises:
        BenchmarkError: the run has no completed vanilla trial, or the file is no grid.
        StoreError: the run can't be read.
    """
    if run.endswith(".parquet"):
        sweep = load_sweep(space)
        grid = read_grid(Path(run), sweep)
        records = list(grid.points.values())
        if grid.vanilla.params:  # else it repeats a point of the space
            records.append(grid.vanilla)
        return sweep.reference(), [_of_grid(record, sweep.template) for record in records]
    records = [
        record
        for record in store.open(run).records()
        if record.status == "completed" and record.role in ("vanilla", "search", "repeat")
    ]
    vanilla = next((record for record in records if record.role == "vanilla"), None)
    if vanilla is None:
        raise BenchmarkError(f"{run}: must have a completed vanilla trial")
    whole = [record for record in records if share_of(record) == 1]
    return TrialConfig.model_validate(vanilla.config), list(map(_of_run, whole))


def rank(
    previews: Sequence[PreviewConfig], nats: Sequence[Sequence[OpeningNats]], trainings: Sequence[Training]
) -> list[Rank]:
    """Return the correlations of each loss with each result that was measured and differs."""
    found = []
    for part, tokens, loss in _losses(nats):
        for outcome in OUTCOMES:
            effects = effects_of(trainings, outcome)
            for with_none in (False, True):
                used = [
                    (value, effects[preview])
                    for preview, value in zip(previews, loss, strict=True)
                    if preview in effects and (with_none or not isinstance(preview, NoPreview))
                ]
                x, y = ([pair[axis] for pair in used] for axis in (0, 1))
                if len(used) >= LEAST_PREVIEWS and len(set(x)) > 1 and len(set(y)) > 1:
                    rho = spearman(x, y)
                    found.append(
                        Rank(part, tokens, outcome, with_none, rho.value, rho.low, rho.high, len(used))
                    )
    return found


def effects_of(trainings: Sequence[Training], outcome: str) -> dict[PreviewConfig, float]:
    """Return each preview's mean result relative to all trainings with the same other settings.

    Settings in which a single preview was trained are left out.
    """
    settings: dict[str, list[tuple[PreviewConfig, float]]] = defaultdict(list)
    for training in trainings:
        if outcome in training.results:
            settings[training.setting].append((training.preview, training.results[outcome]))
    effects: dict[PreviewConfig, list[float]] = defaultdict(list)
    for measured in settings.values():
        if len({preview for preview, _ in measured}) > 1:
            mean = float(np.mean([value for _, value in measured]))
            for preview, value in measured:
                effects[preview].append(value - mean)
    return {preview: float(np.mean(values)) for preview, values in effects.items()}


def spearman(x: Sequence[float], y: Sequence[float], resamples: int = RESAMPLES) -> Interval:
    """Return Spearman's rho with its percentile bootstrap interval over the pairs, resampled from seed 0.

    Resamples in which one of both has a single value have no rho and are left out.
    """
    pairs = np.array([x, y])
    drawn = np.random.default_rng(0).integers(0, len(x), (resamples, len(x)))
    value = float(_rho(pairs[0][None], pairs[1][None])[0])
    low, high = np.nanquantile(_rho(pairs[0][drawn], pairs[1][drawn]), (0.025, 0.975))
    return Interval(value, float(low), float(high))


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


def _rho(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Spearman's rho of each row, (rows, pairs) -> (rows,); NaN where a row has a single value."""
    a, b = (rankdata(values, axis=1) for values in (x, y))
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    rho: NDArray[np.float64] = np.divide(
        (a * b).sum(axis=1), norm, out=np.full_like(norm, np.nan), where=norm > 0
    )
    return rho


def _losses(nats: Sequence[Sequence[OpeningNats]]) -> Iterator[tuple[Part, int, list[float]]]:
    """Yield each kind of loss with its value for each preview."""
    parts: Mapping[Part, Callable[[OpeningNats], tuple[float, ...]]] = {
        "trained": lambda row: row.trained,
        "answer": lambda row: row.answer,
    }
    for part, values_of in parts.items():
        for tokens in LENGTHS:
            rows = [[values_of(row)[:tokens] for row in each if values_of(row)] for each in nats]
            yield part, tokens, [float(np.mean([np.mean(values) for values in each])) for each in rows]


def _of_run(record: TrialRecord) -> Training:
    others = {name: part for name, part in record.config.items() if name not in ("preview", "merge")}
    results = {"first_kl": record.kl[0], "mean_kl": float(np.mean(record.kl))} if record.kl else {}
    if record.rsr:
        results["rsr"] = record.rsr.value
    return Training(_PREVIEW.validate_python(record.config["preview"]), content_hash(others), results)


def _of_grid(record: TrialRecord, template: Mapping[str, Any]) -> Training:
    """Return a training of a recorded grid, which has the mean KL after the last epoch, and none by token."""
    params = record.params
    tree: Any = substitute({"preview": template["preview"]}, lambda dimension: params[dimension.name])
    others = {name: value for name, value in params.items() if not name.startswith("preview")}
    results = {"mean_kl": kl} if record.signals and (kl := record.signals[-1].kl) is not None else {}
    if record.rsr:
        results["rsr"] = record.rsr.value
    return Training(_PREVIEW.validate_python(tree["preview"]), content_hash(others), results)


def _previews_json(
    previews: Sequence[PreviewConfig], nats: Sequence[Sequence[OpeningNats]], trainings: Sequence[Training]
) -> list[Raw]:
    losses = list(_losses(nats))
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
