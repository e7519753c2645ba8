"""A recorded grid: every training of a space, each of its shares evaluated once, in one Parquet file.

Each row is a measured model: the columns of the store's table `trials` that a replay needs, the trial's rows
of `signals` as a list of structs, and for each metric the credit and the generated tokens of every prompt as
lists. The column `role` marks the seed model and vanilla. A training whose merge has several shares has a row
for each share, with equal `params`; its tokens and signals are in the first one only. The schema's metadata
hold the prompts' ids, and the command, versions, dates and space of the recording.

Files of version 1 have neither shares nor answers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import BenchmarkError
from benchmarks.search.answers import METRICS, Answers, Prompts, generations_of
from lookahead_ray.config.load import Sweep
from lookahead_ray.config.merge import with_share
from lookahead_ray.evaluate.results import Rate, Signal
from lookahead_ray.objective.base import ReferenceTrials
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


def key(params: Mapping[str, Any]) -> str:
    """Return the identity of a point: the values of its dimensions in a fixed order."""
    return json.dumps(params, sort_keys=True)


Training = tuple[TrialRecord, ...]
"""The measured points of one training, the largest share first."""


@dataclass(frozen=True)
class Grid:
    """The results of every training of a space; records have only the columns of the file.

    Without shares, a training has one point.
    """

    sweep: Sweep
    seed: TrialRecord
    vanilla: TrialRecord
    trainings: Mapping[str, Training]  # by `key`; includes vanilla if it is a point of the space
    about: Mapping[str, str]  # command, versions, recorded, space
    prompts: Prompts = field(default_factory=dict)  # empty without answers
    answers: Mapping[str, Answers] = field(default_factory=dict)  # by trial id; empty without answers

    @cached_property
    def points(self) -> Mapping[str, TrialRecord]:
        """The first point of each training, by `key`: its only one without shares."""
        return {name: training[0] for name, training in self.trainings.items()}

    @cached_property
    def records(self) -> tuple[TrialRecord, ...]:
        """Vanilla and the points of all trainings."""
        rest = (record for training in self.trainings.values() for record in training)
        return (self.vanilla, *(record for record in rest if record.trial_id != self.vanilla.trial_id))

    @property
    def vanilla_points(self) -> Training:
        """The points of vanilla's training."""
        return self.trainings.get(key(self.vanilla.params), (self.vanilla,))

    @property
    def references(self) -> ReferenceTrials:
        """The trials to which safety and utility are relative."""
        return ReferenceTrials(self.seed, self.vanilla)

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares that are measured after each training, the largest first."""
        return tuple(sorted({share_of(record) for record in self.records}, reverse=True))

    @property
    def train_tokens(self) -> int:
        """Training tokens of vanilla and all trainings together; vanilla counts once if it is one of them."""
        return sum(map(tokens, self.records))

    @property
    def generated_tokens(self) -> int:
        """Tokens generated to measure the seed model, vanilla and all points; 0 if they were not recorded."""
        return sum(map(self.generated, (self.seed, *self.records)))

    @cached_property
    def answered(self) -> "Grid":
        """The grid with its answers in the records' generations, without texts."""

        answered = {
            record.trial_id: record.with_measured(
                generations=generations_of(self.answers[record.trial_id], self.prompts)
            )
            for record in (self.seed, *self.records)
        }
        trainings = {
            name: tuple(answered[point.trial_id] for point in points)
            for name, points in self.trainings.items()
        }
        seed, vanilla = answered[self.seed.trial_id], answered[self.vanilla.trial_id]
        return replace(self, seed=seed, vanilla=vanilla, trainings=trainings)

    def generated(self, record: TrialRecord) -> int:
        """Return the tokens generated to measure a point; 0 if they were not recorded."""
        found = self.answers.get(record.trial_id)
        return found.generated if found else 0


def tokens(record: TrialRecord) -> int:
    """Return the training tokens of a point, 0 for further shares; BenchmarkError if not recorded."""
    if record.train_tokens is None:
        raise BenchmarkError(f"trial {record.trial_id}: must have train_tokens, got none")
    return record.train_tokens


def share_of(record: TrialRecord) -> float:
    """Return the share of the change by training that the point keeps."""
    return float(record.config.get("merge", {}).get("share", 1.0))


def make_grid(
    sweep: Sweep,
    records: Sequence[TrialRecord],
    about: Mapping[str, str],
    prompts: Prompts | None = None,
    answers: Mapping[str, Answers] | None = None,
) -> Grid:
    """Sort records into a grid. BenchmarkError if one is missing, not completed or duplicated."""
    for record in records:
        if record.status != "completed" or len(record.objectives) < 2:
            got = f"{record.status}, {len(record.objectives)} objectives"
            raise BenchmarkError(
                f"trial {record.trial_id}: must be completed with safety and utility, got {got}"
            )
    seed, vanilla = (_only(records, role) for role in ("seed", "vanilla"))
    trainings: dict[str, list[TrialRecord]] = {}
    for record in sorted(records, key=share_of, reverse=True):
        if record.role == "search":
            trainings.setdefault(key(record.params), []).append(record)
    for points in trainings.values():
        _check_training(points)
    if vanilla.params:
        found = trainings.get(key(vanilla.params), [])
        # a training of the same point gave the same model
        trainings[key(vanilla.params)] = [vanilla, *(point for point in found if share_of(point) < 1)]
    whole = {name: tuple(points) for name, points in trainings.items()}
    return Grid(sweep, seed, vanilla, whole, dict(about), prompts or {}, answers or {})


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


def _check_training(points: Sequence[TrialRecord]) -> None:
    shares = list(map(share_of, points))
    if len(set(shares)) < len(shares):
        first = points[0]
        raise BenchmarkError(f"{first.trial_id}: each point must occur once, got {first.params} twice")


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
