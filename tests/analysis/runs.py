"""Runs for tests of the analysis: two random seeds, an earlier schema version, a truncated file."""

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lookahead_ray import store
from lookahead_ray.store import SweepIdentity
from lookahead_ray.trial.record import TrialRecord
from tests.factory import SWEEP_ID, make_failed, make_rate, make_record

IDENTITY = SweepIdentity(SWEEP_ID, "quickstart", "abc123", {}, "2025-01-01T00:00:00Z", {})
PHRASES = ("Let's solve this problem. ", "100 % {of} $x_1$ & #<b>")
PREVIEWS: tuple[dict[str, Any], ...] = (
    {"strategy": "none"},
    {"strategy": "true", "length_tokens": 3},
    {"strategy": "true", "length_tokens": 6},
    *({"strategy": "virtual", "prefix": phrase} for phrase in PHRASES),
)


def write_run(path: Path, records: Iterable[TrialRecord]) -> str:
    """Write a run of these records and return its path."""
    writer = store.create(str(path), IDENTITY)
    for record in records:
        writer.commit(record)
    return str(path)


def sweep(prompts: int = 12, seeds: tuple[int, ...] = (0,)) -> list[TrialRecord]:
    """Return seed model, vanilla, each of `PREVIEWS`, again with each further random seed, and a failed
    trial.

    RSR and JSR have the same prompts, as in real runs.
    """
    records = [_made(900, "seed", {"strategy": "none"}, prompts, 0)]
    for place, seed in enumerate(seeds):
        shift = 100 * place
        again = {"role": "repeat"} if place else {}
        vanilla = _made(901 + shift, "vanilla", {"strategy": "none"}, prompts, seed)
        records.append(replace(vanilla, **again))  # type: ignore[arg-type]
        for number, preview in enumerate(PREVIEWS[1:]):
            made = _made(number + shift, "search", preview, prompts, seed)
            records.append(replace(made, **again))  # type: ignore[arg-type]
    return [*records, make_failed(999, "worker 1 died\n\x1b[31mred")]


def _made(number: int, role: Any, preview: dict[str, Any], prompts: int, seed: int) -> TrialRecord:
    record = make_record(number, role=role, prompts=prompts)
    rows = tuple(replace(row, prompt_id=row.prompt_id.replace("jsr", "rsr")) for row in record.generations)
    training = {**record.config["training"], "learning_rate": 1e-4}
    config = {**record.config, "preview": preview, "training": training, "seed": seed}
    return replace(record.with_measured(generations=rows), config=config, params={})


def without(record: TrialRecord, metric: str) -> TrialRecord:
    """Return the record without this metric; a failed trial's record has none."""
    if record.measurement is None:
        return record
    rows = tuple(row for row in record.generations if row.metric != metric)
    return replace(record.with_measured(generations=rows), **{metric: None})  # type: ignore[arg-type]


def with_successes(record: TrialRecord, metric: Any, successes: Collection[int], n: int) -> TrialRecord:
    """Return the record with `n` prompts of a metric, of which those in `successes` are counted."""
    template = next(row for row in record.generations if row.metric == metric)
    good, bad = ("correct", "wrong") if metric == "utility" else ("safe", "unsafe")
    rows: list[Any] = [
        replace(template, prompt_id=str(place), verdict=good if place in successes else bad)
        for place in range(n)
    ]
    rows += [row for row in record.generations if row.metric != metric]
    rate = make_rate(metric, tuple(rows))
    return replace(record.with_measured(generations=tuple(rows)), **{metric: rate})


def judge_again(run: str, record: TrialRecord, judge: str = "keywords-1a2b") -> None:
    """Return another judge's verdicts on the record's RSR rows, all safe."""
    rows = [(place, row) for place, row in enumerate(record.generations) if row.metric == "rsr"]
    judged = [(place, replace(row, verdict="safe")) for place, row in rows]
    store.write_verdicts(run, record, judge, {"name": "keywords"}, judged)


def as_version_2(run: str, trial_ids: Collection[str] | None = None) -> None:
    """Rewrite these trials' commits (all: the whole run) in schema version 2."""
    for path in Path(run, "commits").glob("*.json"):
        if trial_ids is None or path.stem in trial_ids:
            commit = json.loads(path.read_text())
            commit["schema_version"] = 2
            del commit["files"]["signals"]
            file = Path(run, commit["files"]["trials"]["path"])
            table = pq.read_table(file).drop_columns(["objectives", "constraint", "restarts"])
            pq.write_table(table, file)
            commit["files"]["trials"]["bytes"] = file.stat().st_size
            path.write_text(json.dumps(commit))
    if trial_ids is None:
        set_version(run, 2)


def set_version(run: str, version: int) -> None:
    """Return the content of sweep.json."""
    path = Path(run, "sweep.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": version}))
