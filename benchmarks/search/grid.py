"""A recorded grid: every point of a space, trained and evaluated once, in one Parquet file.

Each row is a trial: the columns of the store's table `trials` that a replay needs, and the trial's rows of
`signals` as a list of structs. The column `role` marks the seed model and vanilla. The schema's metadata hold
the command, versions, dates and space of the recording.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import BenchmarkError
from lookahead_ray.config.load import Sweep
from lookahead_ray.evaluate.results import Rate, Signal
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.store import SCHEMAS
from lookahead_ray.store.schemas import RATES
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.record import TrialRecord

SCHEMA_VERSION = "1"
"""Version of the file; raised by every change that an older reader would misread."""

PARTS = tuple(field.name for field in fields(Rate))[1:]
PLAIN = ("trial_id", "role", "status", "started_at", "config_hash", "params", "objectives", "safety")
COSTS = ("train_tokens", "flops", "seconds_train", "seconds_evaluate", "seconds_total")
COLUMNS = (*PLAIN, *(f"{name}{part}" for name in RATES for part in ("", *(f"_{p}" for p in PARTS))), *COSTS)
SIGNAL = pa.struct([SCHEMAS["signals"].field(field.name) for field in fields(Signal)])
SCHEMA = pa.schema(
    [*(SCHEMAS["trials"].field(name) for name in COLUMNS), pa.field("signals", pa.list_(SIGNAL), False)],
    metadata={"grid_schema_version": SCHEMA_VERSION},
)
ABOUT = ("command", "versions", "recorded", "space")
"""Keys of the schema's metadata that describe the recording."""


def key(params: Mapping[str, Any]) -> str:
    """Return the identity of a point: the values of its dimensions in a fixed order."""
    return json.dumps(params, sort_keys=True)


@dataclass(frozen=True)
class Grid:
    """The results of every point of a space; records have only the columns of the file."""

    sweep: Sweep
    seed: TrialRecord
    vanilla: TrialRecord
    points: Mapping[str, TrialRecord]  # by `key`; includes vanilla if it is a point of the space
    about: Mapping[str, str]  # command, versions, recorded, space

    @property
    def references(self) -> ReferenceTrials:
        """The trials to which safety and utility are relative."""
        return ReferenceTrials(self.seed, self.vanilla)

    @property
    def train_tokens(self) -> int:
        """Training tokens of vanilla and all points together; vanilla counts once if it is a point."""
        return sum(map(tokens, {**self.points, key(self.vanilla.params): self.vanilla}.values()))


def tokens(record: TrialRecord) -> int:
    """Return the training tokens of a whole trial; BenchmarkError if they were not recorded."""
    if record.train_tokens is None:
        raise BenchmarkError(f"trial {record.trial_id}: must have train_tokens, got none")
    return record.train_tokens


def make_grid(sweep: Sweep, records: Sequence[TrialRecord], about: Mapping[str, str]) -> Grid:
    """Sort records into a grid. BenchmarkError if a trial is missing, not completed or duplicated."""
    for record in records:
        if record.status != "completed" or len(record.objectives) < 2:
            got = f"{record.status}, {len(record.objectives)} objectives"
            raise BenchmarkError(
                f"trial {record.trial_id}: must be completed with safety and utility, got {got}"
            )
    seed, vanilla = (_only(records, role) for role in ("seed", "vanilla"))
    points: dict[str, TrialRecord] = {}
    for record in records:
        if record.role == "search" and points.setdefault(key(record.params), record) is not record:
            raise BenchmarkError(f"{record.trial_id}: each point must occur once, got {record.params} twice")
    if vanilla.params:
        points.setdefault(key(vanilla.params), vanilla)
    return Grid(sweep, seed, vanilla, points, dict(about))


def to_table(records: Sequence[TrialRecord], about: Mapping[str, str]) -> pa.Table:
    """Return the rows of the file, sorted by role and point, with `about` in the metadata."""
    ordered = sorted(records, key=lambda record: (record.role, key(record.params)))
    rows = [_row(record) for record in ordered]
    return pa.Table.from_pylist(rows, SCHEMA.with_metadata({**SCHEMA.metadata, **about}))


def write_grid(path: Path, records: Sequence[TrialRecord], about: Mapping[str, str]) -> None:
    """Write the file; the same records and `about` give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(to_table(records, about), path, compression="zstd", write_statistics=False)


def read_grid(path: Path, sweep: Sweep) -> Grid:
    """Read a file of `write_grid` for `sweep`'s space. BenchmarkError as `make_grid`, or if it is no grid."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BenchmarkError(f"{path}: cannot be read as a grid: {error}") from error
    metadata = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
    version = metadata.get("grid_schema_version")
    if version != SCHEMA_VERSION or not table.schema.equals(SCHEMA):
        raise BenchmarkError(f"{path}: must be a grid of schema version {SCHEMA_VERSION}, got {version}")
    about = {name: metadata.get(name, "") for name in ABOUT}
    return make_grid(sweep, [_record(row) for row in table.to_pylist()], about)


def _only(records: Sequence[TrialRecord], role: str) -> TrialRecord:
    found = [record for record in records if record.role == role]
    if len(found) != 1:
        raise BenchmarkError(f"a grid must have one {role} trial, got {len(found)}")
    return found[0]


def _row(record: TrialRecord) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in (*PLAIN, *COSTS)}
    row |= {"params": key(record.params), "objectives": list(record.objectives)}
    for name in RATES:
        rate: Rate | None = getattr(record, name)
        row[name] = rate and rate.value
        row |= {f"{name}_{part}": rate and getattr(rate, part) for part in PARTS}
    names = [field.name for field in fields(Signal)]
    row["signals"] = [{name: getattr(signal, name) for name in names} for signal in record.signals]
    return row


def _record(row: Mapping[str, Any]) -> TrialRecord:
    fields_of_record = {name: row[name] for name in (*PLAIN, "seconds_total")}
    for name in RATES:
        parts = [row[f"{name}_{part}"] for part in PARTS]
        fields_of_record[name] = None if row[name] is None else Rate(row[name], *parts)
    fields_of_record |= {
        "sweep_id": "grid",
        "config": {},
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
