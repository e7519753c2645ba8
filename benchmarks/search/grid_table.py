"""The file of a recorded grid: one Parquet file.

Each row is a measured model: the columns of the store's table `trials` that a replay needs, the trial's rows
of `signals` as a list of structs, and for each metric the credit and the generated tokens of every prompt as
lists. The column `role` marks the seed model and vanilla. A training whose merge has several shares has a row
for each share, with equal `params`; its tokens and signals are in the first one only. The schema's metadata
hold the prompts' ids, and the command, versions, dates and space of the recording.

Files of version 1 have neither shares nor answers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import BenchmarkError
from benchmarks.search.answers import METRICS, Answers, Prompts
from benchmarks.search.grid import Grid, key, make_grid, share_of
from lookahead_ray.config.load import Sweep
from lookahead_ray.config.merge import with_share
from lookahead_ray.evaluate.results import Rate, Signal
from lookahead_ray.store import SCHEMAS
from lookahead_ray.store.schemas import RATES
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.record import TrialRecord

SCHEMA_VERSION = "2"
"""Version of the file; raised by every change that an older reader would misread."""

PARTS = tuple(field.name for field in fields(Rate))[1:]
PLAIN = ("trial_id", "role", "status", "started_at", "config_hash", "params", "objectives", "safety")
COSTS = ("train_tokens", "flops", "seconds_train", "seconds_evaluate", "seconds_total")
COLUMNS = (*PLAIN, *(f"{name}{part}" for name in RATES for part in ("", *(f"_{p}" for p in PARTS))), *COSTS)
SIGNAL = pa.struct([SCHEMAS["signals"].field(field.name) for field in fields(Signal)])
FIRST_FIELDS = (
    *(SCHEMAS["trials"].field(name) for name in COLUMNS),
    pa.field("signals", pa.list_(SIGNAL), False),
)
ANSWERS = tuple(
    pa.field(f"{metric}_{name}", pa.list_(kind))
    for metric in METRICS
    for name, kind in (("credits", pa.float32()), ("tokens", pa.int16()))
)
"""Per prompt of the metric: the answer's credit in 0..1, and its generated tokens. Null without answers."""
SCHEMA = pa.schema(
    [*FIRST_FIELDS, *(SCHEMAS["trials"].field(name) for name in ("share", "training_id")), *ANSWERS],
    metadata={"grid_schema_version": SCHEMA_VERSION},
)
READABLE = {"1": pa.schema(FIRST_FIELDS), SCHEMA_VERSION: SCHEMA}
ABOUT = ("command", "versions", "recorded", "space")
"""Keys of the schema's metadata that describe the recording."""


def to_table(
    records: Sequence[TrialRecord],
    about: Mapping[str, str],
    prompts: Prompts | None = None,
    answers: Mapping[str, Answers] | None = None,
) -> pa.Table:
    """Return the rows of the file, sorted by role and point, with `about` and prompts in the metadata."""
    ordered = sorted(records, key=lambda record: (record.role, key(record.params), -share_of(record)))
    rows = [_row(record) | _answer_columns((answers or {}).get(record.trial_id)) for record in ordered]
    metadata = {**SCHEMA.metadata, **about, "prompts": json.dumps(prompts or {}, sort_keys=True)}
    return pa.Table.from_pylist(rows, SCHEMA.with_metadata(metadata))


def write_grid(
    path: Path,
    records: Sequence[TrialRecord],
    about: Mapping[str, str],
    prompts: Prompts | None = None,
    answers: Mapping[str, Answers] | None = None,
) -> None:
    """Write the file; the same records, answers and `about` give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = to_table(records, about, prompts, answers)
    pq.write_table(table, path, compression="zstd", write_statistics=False)


def read_grid(path: Path, sweep: Sweep) -> Grid:
    """Read a file of `write_grid` for `sweep`'s space. BenchmarkError as `make_grid`, or if it is no grid."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BenchmarkError(f"{path}: cannot be read as a grid: {error}") from error
    metadata = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
    version = metadata.get("grid_schema_version")
    if version not in READABLE or not table.schema.equals(READABLE[version]):
        known = " or ".join(READABLE)
        raise BenchmarkError(f"{path}: must be a grid of schema version {known}, got {version}")
    about = {name: metadata.get(name, "") for name in ABOUT}
    prompts = {metric: tuple(ids) for metric, ids in json.loads(metadata.get("prompts", "{}")).items()}
    rows = table.to_pylist()
    answers = {row["trial_id"]: _answers(row, prompts) for row in rows} if prompts else {}
    return make_grid(sweep, list(map(_record, rows)), about, prompts, answers)


def _row(record: TrialRecord) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in (*PLAIN, *COSTS)}
    row |= {"params": key(record.params), "objectives": list(record.objectives)}
    for name in RATES:
        rate: Rate | None = getattr(record, name)
        row[name] = rate and rate.value
        row |= {f"{name}_{part}": rate and getattr(rate, part) for part in PARTS}
    names = [field.name for field in fields(Signal)]
    row["signals"] = [{name: getattr(signal, name) for name in names} for signal in record.signals]
    return row | {"share": share_of(record), "training_id": record.training_id}


def _answer_columns(answers: Answers | None) -> dict[str, Any]:
    if answers is None:
        return {field.name: None for field in ANSWERS}
    parts = (("credits", answers.credits), ("tokens", answers.tokens))
    return {f"{metric}_{name}": values.get(metric) for name, values in parts for metric in METRICS}


def _answers(row: Mapping[str, Any], prompts: Prompts) -> Answers:
    return Answers(
        {metric: tuple(row[f"{metric}_credits"]) for metric in prompts},
        {metric: tuple(row[f"{metric}_tokens"]) for metric in prompts},
    )


def _record(row: Mapping[str, Any]) -> TrialRecord:
    fields_of_record = {name: row[name] for name in (*PLAIN, "seconds_total")}
    for name in RATES:
        parts = [row[f"{name}_{part}"] for part in PARTS]
        fields_of_record[name] = None if row[name] is None else Rate(row[name], *parts)
    fields_of_record |= {
        "sweep_id": "grid",
        "config": with_share({"merge": {"name": "linear"}}, row.get("share", 1.0)),
        "training_id": row.get("training_id"),
        "params": json.loads(row["params"]),
        "objectives": tuple(row["objectives"]),
        "measurement": None if row["train_tokens"] is None else _measurement(row),
    }
    return TrialRecord(**fields_of_record)


def _measurement(row: Mapping[str, Any]) -> Measurement:
    return Measurement(
        **{name: row[name] for name in COSTS if name != "seconds_total"},
        signals=tuple(Signal(**signal) for signal in row["signals"]),
        workers=0,  # this and the following fields are not recorded
        zero_stage=None,
        data_hash="",
        model_hash="",
        versions={},
    )
