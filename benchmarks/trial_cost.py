"""The fixed cost of a trial, its time without training and evaluation, from the table of a real sweep."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import Benchmark, BenchmarkError, Raw, Variant, make_series
from benchmarks.processes import measure

FIRST = Variant("first_trial", "first trial (the seed model, untrained)")
LATER = Variant("later_trials", "each later trial (vanilla and the search)")
NESTED = Variant("nested_trials", "the same, each with a worker group of its own")


@dataclass(frozen=True)
class TrialSettings:
    """A sweep of two references and one search trial per repetition, with very little work."""

    workers: int = 2
    train_examples: int = 16
    test_examples: int = 4
    safety_prompts: int = 10  # harmful ones, and as many benign ones
    new_tokens: int = 4
    batch_size: int = 8
    precision: str = "auto"  # must be resolved first
    seed: int = 0


QUICK = TrialSettings(train_examples=8, test_examples=2, safety_prompts=2, new_tokens=2)


def run(settings: TrialSettings, repetitions: int, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """Run one sweep with `repetitions` search trials, and one whose trials share no worker group.

    The first trial is reported separately, because it starts without warm caches.
    """

    def once(variant: str) -> Raw:
        request = asdict(settings) | {"trials": repetitions, "run": str((logs / variant).resolve())}
        return measure("trial", variant, request, logs / f"trial-{variant}.log", threads=None)

    return summarise_trials(once("sweep"), once("nested"), say)


def summarise_trials(sweep: Raw, nested: Raw, say: Callable[[str], None] = print) -> Benchmark:
    """Return the benchmark from `seconds_sweep` of both sweeps and their `trials` rows in commit order.

    Raises:
        BenchmarkError: a trial failed.
    """
    rows, apart = ([fixed_cost(trial) for trial in raw["trials"]] for raw in (sweep, nested))
    for kind, part in (("trial", rows), ("nested trial", apart)):
        for row in part:
            say(
                f"{kind} {row['trial_id']}: {row['seconds_fixed']:.1f} s fixed "
                f"of {row['seconds_total']:.1f} s "
                f"(training {row['seconds_train']:.1f} s, evaluation {row['seconds_evaluate']:.1f} s)"
            )
    series = (
        make_series(FIRST, rows[:1], "seconds_fixed"),
        make_series(LATER, rows[1:], "seconds_fixed"),
        make_series(NESTED, apart[1:], "seconds_fixed"),
    )
    # trials run one at a time, so the rest is starting and stopping Ray and the time between trials
    outside = sweep["seconds_sweep"] - sum(row["seconds_total"] for row in rows)
    same = [a["result_sha256"] == b["result_sha256"] for a, b in zip(rows, apart, strict=True)]
    extra = {
        "seconds_sweep": sweep["seconds_sweep"],
        "seconds_outside_trials": outside,
        "searched_per_hour": per_hour(rows),
        "searched_per_hour_nested": per_hour(apart),
        "share_identical_to_the_last_bit": sum(same) / len(same),
    }
    return Benchmark("trial", "s", False, series, extra=extra)


def fixed_cost(trial: Mapping[str, Any]) -> Raw:
    """Return a trial's row with `seconds_fixed`. Raises BenchmarkError if the trial failed."""
    if trial["status"] != "completed":
        raise BenchmarkError(f"trial {trial['trial_id']} {trial['status']}: {trial['error']}")
    names = ("trial_id", "role", "strategy", "workers", "zero_stage", "result_sha256")
    times = {name: float(trial[name]) for name in ("seconds_total", "seconds_train", "seconds_evaluate")}
    fixed = times["seconds_total"] - times["seconds_train"] - times["seconds_evaluate"]
    return {**{name: trial[name] for name in names}, **times, "seconds_fixed": fixed}


def per_hour(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return search trials per hour, at the median of their time."""
    return 3600 / float(median(row["seconds_total"] for row in rows if row["role"] == "search"))
