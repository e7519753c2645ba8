"""The command `screen`: ranks a space's previews by the seed model's loss of the first answer tokens."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pyarrow as pa

from lookahead_ray import log_capture
from lookahead_ray.config.auto import HardwareValues
from lookahead_ray.config.load import load_sweep
from lookahead_ray.entrypoints.chat_date import fix_chat_date
from lookahead_ray.entrypoints.sweep import default_run, generate_openings, stdout_console
from lookahead_ray.errors import DataError, ModelError
from lookahead_ray.hardware.node import describe_local_node
from lookahead_ray.hardware.precision import Precision
from lookahead_ray.method.reporting import Every
from lookahead_ray.presentation.screening_table import preview_labels, print_screening
from lookahead_ray.stats.interval import Interval
from lookahead_ray.store.export import export_table
from lookahead_ray.store.files import Files
from lookahead_ray.sweep.checks.machine import check_machine
from lookahead_ray.sweep.evaluate_model import resolve_for_evaluation
from lookahead_ray.sweep.search.screening import ScreenedPreview, candidate_previews, rank_previews

TABLE = "screening"
PROGRESS_EVERY_S = 10.0
PARTS = ("loss", "first_loss", "answer_loss")

SCHEMA = pa.schema(
    [
        pa.field("rank", pa.int32(), nullable=False),  # from 1; the lowest loss comes first
        pa.field("label", pa.string(), nullable=False),
        pa.field("strategy", pa.string(), nullable=False),
        pa.field("length_tokens", pa.int32()),
        pa.field("prefix", pa.string()),
        pa.field("connector", pa.string()),
        pa.field("protocol", pa.string()),
        pa.field("rows", pa.int32(), nullable=False),  # training rows
        pa.field("tokens", pa.int32(), nullable=False),  # first answer tokens
        # in nats per token, with 95 % intervals over rows: of the first tokens as trained, of the first one,
        # and of the first tokens of the task's own answer
        *(pa.field(f"{part}{end}", pa.float64()) for part in PARTS for end in ("", "_low", "_high")),
    ]
)
"""Columns of the table, one row for each preview."""


def screen_and_report(
    path: Path,
    overrides: Sequence[str],
    rows: int,
    tokens: int,
    out: str | None,
    report: Callable[[str], None],
) -> None:
    """Print the previews of the space in `path`, the lowest loss first, and write them as a table.

    Args:
        rows: number of training rows.
        tokens: number of first answer tokens.
        out: directory or URL of the table; None for the default.

    Raises:
        ConfigError: the space has no preview to screen, or needs GPUs that this machine does not have.
        DataError: the task's data can't be used.
        ModelError: the model can't be used.
        StoreError: the table can't be written.
    """
    sweep = load_sweep(path, overrides)
    candidate_previews(sweep)  # refuses a space before anything is loaded
    sweep = fix_chat_date(sweep, default_run(sweep.name))
    node = describe_local_node()
    config, reason = resolve_for_evaluation(sweep.reference(), node)
    precision = cast(Precision, config.training.precision)
    values = config.resources
    sweep = replace(
        sweep,
        hardware=HardwareValues(precision, values.workers, values.gpus_per_worker, values.cpus_per_worker),
    )
    sweep = generate_openings(sweep, path, overrides, report)
    previews = candidate_previews(sweep)
    report(f"screening {len(previews)} previews on up to {rows} training rows, {reason}")
    for line in check_machine(config, node, is_local=True, trains=False, source=sweep.source):
        report(line)
    every = Every(PROGRESS_EVERY_S)

    def progress(done: int, count: int) -> None:
        if every.due(done == count):
            report(f"{done} of {count} rows")

    try:
        with log_capture.into(Path(os.devnull)):
            screened = rank_previews(config, previews, rows=rows, tokens=tokens, progress=progress)
    except (DataError, ModelError) as error:
        raise type(error)(f"{sweep.source}: {error}") from error
    print_screening(stdout_console(), screened, tokens)
    where = out or default_run(f"screen-{sweep.name}")
    report(f"table: {export_table(table_of(screened, tokens), TABLE, 'parquet', Files(where))}")


def table_of(screened: Sequence[ScreenedPreview], tokens: int) -> pa.Table:
    """Return the table of the screened previews, in their order."""
    names = preview_labels([each.preview for each in screened])
    rows = []
    for rank, (name, each) in enumerate(zip(names, screened, strict=True), 1):
        row = {"rank": rank, "label": name, "rows": each.rows, "tokens": tokens}
        row |= each.preview.model_dump(mode="json")
        for part, interval in zip(PARTS, (each.loss, each.first, each.answer), strict=True):
            row |= _columns(part, interval)
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _columns(part: str, interval: Interval | None) -> dict[str, float]:
    if interval is None:
        return {}
    return {part: interval.value, f"{part}_low": interval.low, f"{part}_high": interval.high}
