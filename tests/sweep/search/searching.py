"""Searches driven without training: spaces, records of jobs, and whole histories."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from lookahead_ray.config.load import Sweep, content_hash, load_sweep
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord

CONDITIONAL = """
task: {name: word_problems}
preview:
  choice:
    - {strategy: none}
    - {strategy: true, length_tokens: {int: [1, 12]}}
    - {strategy: virtual, prefix: {choice: ["So, ", "Well, ", "Hm, "]}}
training: {learning_rate: {loguniform: [1e-5, 1e-3]}}
search: {enqueue: [{preview: true, preview.true.length_tokens: 6}]}
"""


def load(folder: Path, text: str = CONDITIONAL, overrides: Sequence[str] = ()) -> Sweep:
    path = folder / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return load_sweep(path, overrides)


def record_of(job: Job, objectives: Sequence[float] = (0.5,), constraint: float | None = None) -> TrialRecord:
    """Return the job's record as the trial log passes it on; a failed trial's has no objectives."""
    return TrialRecord(
        sweep_id="s",
        trial_id=job.trial_id,
        role=job.role,
        status="completed" if objectives else "failed",
        config=job.config,
        config_hash=content_hash(job.config),
        params=job.params,
        started_at="",
        objective=objectives[0] if len(objectives) == 1 else None,
        objectives=tuple(objectives),
        constraint=constraint,
    )


def stopped(job: Job) -> TrialRecord:
    """Return the record of a trial that was stopped early."""
    return replace(record_of(job, ()), status="stopped")


def asked(search: Search) -> Job:
    """Return the next job, which must exist."""
    job = search.ask()
    assert job is not None
    return job


def begun(search: Search) -> list[FrozenTrial]:
    """Return the study's trials that were run, without those that were only drawn."""
    return [trial for trial in search.study.trials if "trial_id" in trial.user_attrs]


def run(search: Search, count: int, measure: Callable[[Job], TrialRecord] = record_of) -> list[TrialRecord]:
    """Run `count` trials one after another."""
    records = []
    for _ in range(count):
        records.append(measure(asked(search)))
        search.tell(records[-1])
    return records


def told(records: Sequence[TrialRecord]) -> list[tuple[str, dict[str, Any]]]:
    """Return the suggestions, in order."""
    return [(record.trial_id, record.params) for record in records]
