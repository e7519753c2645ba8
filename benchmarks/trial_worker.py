"""The tiny sweep of `trial_cost`."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.common import Raw
from benchmarks.training_rows import MODEL
from lookahead_ray.config.auto import HardwareValues
from lookahead_ray.config.load import Sweep, content_hash, load_sweep
from lookahead_ray.entrypoints.sweep import lock_run, open_sink
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import Role, TrialRecord

SPACE = Path(__file__).with_name("trial_cost.yaml")
COLUMNS = (
    "trial_id",
    "role",
    "strategy",
    "status",
    "error",
    "workers",
    "zero_stage",
    "seconds_total",
    "seconds_train",
    "seconds_evaluate",
)


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Run the sweep as `lookahead-ray sweep` does, without its live view, and return its table.

    `variant` is `sweep`, or `nested`, where each trial starts its own worker group.
    """
    from benchmarks.trial_nested import NestedTrial
    from lookahead_ray import store
    from lookahead_ray.sweep.driver import run_sweep
    from lookahead_ray.sweep.preflight import check
    from lookahead_ray.trial.trainable import TuneTrial

    sweep = tiny_sweep(settings)
    with lock_run(settings["run"], resume=False) as hold:
        sink = open_sink(sweep, hold, check(sweep).hashes)
        start = time.perf_counter()
        run_sweep(sweep, sink, _Printing(), trainable=NestedTrial if variant == "nested" else TuneTrial)
        seconds = time.perf_counter() - start
    run = store.open(settings["run"])
    rows = run.trials().select(COLUMNS).to_pylist()
    found = {record.trial_id: result_hash(record) for record in run.each_record()}
    trials = [{**row, "result_sha256": found[row["trial_id"]]} for row in rows]
    return {"trials": trials, "seconds_sweep": seconds}


def result_hash(record: TrialRecord) -> str:
    """Return all computed results of a trial, exactly: losses, answers and verdicts, KL."""
    losses = [step.loss for step in record.steps]
    return content_hash([losses, *map(asdict, record.generations), *map(asdict, record.token_kl)])


def tiny_sweep(settings: dict[str, Any]) -> Sweep:
    """Return the space file with the settings filled in."""
    values = {
        "model.path": MODEL.path,
        "workers": settings["workers"],
        "task.train_examples": settings["train_examples"],
        "task.test_examples": settings["test_examples"],
        "safety.harmful_prompts": settings["safety_prompts"],
        "safety.benign_prompts": settings["safety_prompts"],
        "evaluation.safety_new_tokens": settings["new_tokens"],
        "evaluation.task_new_tokens": settings["new_tokens"],
        "training.batch_size": settings["batch_size"],
        "search.trials": settings["trials"],
        "search.seed": settings["seed"],
    }
    sweep = load_sweep(SPACE, [f"{path}={value}" for path, value in values.items()])
    return replace(sweep, hardware=HardwareValues(settings["precision"], settings["workers"], 0.0))


class _Printing:
    """An observer that prints the progress of the sweep, for the log of a failed measurement."""

    def sweep_started(
        self, sweep_id: str, run: str, trials: int, committed: Sequence[TrialRecord], log: str
    ) -> None:
        print(f"{trials} trials into {run}, log {log}", flush=True)

    def trial_started(self, trial_id: str, role: Role, label: str) -> None:
        print(f"{trial_id} started: {label}", flush=True)

    def trial_restarted(self, trial_id: str, restarts: int, most: int) -> None:
        print(f"{trial_id} restarted ({restarts} of {most})", flush=True)

    def trial_set_aside(self, trial_id: str, error: str, attempts: int, most: int) -> None:
        print(f"{trial_id} set aside ({attempts} of {most}): {error}", flush=True)

    def trial_progress(self, trial_id: str, progress: TrialProgress) -> None:
        pass

    def trial_finished(self, record: TrialRecord) -> None:
        print(f"{record.trial_id} {record.status}: {record.seconds_total} s, {record.error}", flush=True)

    def budget(self, text: str) -> None:
        pass

    def sweep_finished(self, interrupted: bool) -> None:
        print("interrupted" if interrupted else "finished", flush=True)
