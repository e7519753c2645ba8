"""Small runs for tests of the report."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lookahead_ray import store
from lookahead_ray.store import SweepIdentity
from lookahead_ray.trial.record import TrialRecord
from tests.factory import SWEEP_ID, make_failed, make_record

IDENTITY = SweepIdentity(
    SWEEP_ID,
    "quickstart",
    "abc123",
    {"objective": {"name": "weighted"}},
    "2025-01-01T00:00:00Z",
    {"task": "t1"},
)
HOSTILE = {
    "script": "<script>window.hacked = 1</script>",
    "event": '<img src=x onerror="window.hacked = 2"><svg onload="window.hacked = 3">',
    "ends": "</textarea></script></title><!-- <script> ]]> <script>window.hacked = 4</script>",
    "turned": "safe \u202eevil\u202c \u2066iso\u2069 \u200bhidden",
    "surrogate": "lone \ud800 surrogate, nul \x00, escape \x1b[31m, line\u2028end",
    "long": "A" * 1_000_000,
    "template": "{{ 7 * 7 }} {% raw %} ${alert(1)} %{x} &lt;b&gt; <b>bold</b>",
}


def write_run(path: Path, records: Iterable[TrialRecord], identity: SweepIdentity = IDENTITY) -> str:
    """Write a run of these records and return its path."""
    writer = store.create(str(path), identity)
    for record in records:
        writer.commit(record)
    return str(path)


def sweep(trials: int = 14, prompts: int = 8, attacks: tuple[int, ...] = (10,)) -> list[TrialRecord]:
    """Return both references, `trials` search trials and a failed one; JSR by prefill lengths 3 and
    `attacks`.
    """
    records = [
        make_record(900, role="seed", prompts=prompts),
        make_record(901, role="vanilla", prompts=prompts),
    ]
    records += [shorter(make_record(seed, prompts=prompts)) for seed in range(trials)]
    return [
        *(attacked(record, attacks) for record in records),
        make_failed(950, "worker 1 died\nof <b>this</b>"),
    ]


def shorter(record: TrialRecord) -> TrialRecord:
    """Return the record with 3 previewed tokens instead of 6 if its random seed is even."""
    preview = dict(record.config["preview"])
    if "length_tokens" in preview and record.config["seed"] % 2 == 0:
        preview["length_tokens"] = 3
    return replace(record, config={**record.config, "preview": preview})


def attacked(record: TrialRecord, attacks: tuple[int, ...]) -> TrialRecord:
    """Return the record with JSR under longer prefills too."""
    jsr = [row for row in record.generations if row.metric == "jsr"]
    more = [replace(row, attack=f"prefill_{k}") for k in attacks for row in jsr]
    return record.with_measured(generations=(*record.generations, *more)) if record.measurement else record


def hostile(record: TrialRecord) -> TrialRecord:
    """Return the record with a hostile answer, prompt and prefix for each of `HOSTILE`."""
    rows = list(record.generations)
    for place, text in enumerate(HOSTILE.values()):
        rows[place] = replace(rows[place], answer=text, prompt=f"{rows[place].prompt} {text[:400]}")
    config: dict[str, Any] = {**record.config, "preview": {"strategy": "virtual", "prefix": HOSTILE["event"]}}
    return replace(record.with_measured(generations=tuple(rows)), config=config)
