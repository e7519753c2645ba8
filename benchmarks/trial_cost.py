"""The fixed cost of a trial: its wall time without training and evaluation, from a real sweep's table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import Benchmark, BenchmarkError, Raw, Variant, make_series
from benchmarks.processes import measure

FIRST = Variant("first_trial", "first trial (the seed model, untrained)")
LATER = Variant("later_trials", "each later trial (vanilla and the search)")


@dataclass(frozen=True)
class TrialSettings:
    """A sweep of two references and one search trial a repetition, on very little work."""

    workers: int = 2
    train_examples: int = 16
    test_examples: int = 4
    safety_prompts: int = 10  # harmful ones, and as many benign ones
    new_tokens: int = 4
    batch_size: int = 8
    seed: int = 0


QUICK = TrialSettings(train_examples=8, test_examples=2, safety_prompts=2, new_tokens=2)


def run(settings: TrialSettings, repetitions: int, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """One sweep with `repetitions` search trials; the first trial apart, for it finds nothing warm."""
    request = asdict(settings) | {"trials": repetitions, "run": str((logs / "sweep").resolve())}
    raw = measure("trial", "sweep", request, logs / "trial.log", threads=None)
    return summarise_trials(raw["trials"], raw["seconds_sweep"], say)


def summarise_trials(
    trials: Sequence[Mapping[str, Any]], seconds_sweep: float, say: Callable[[str], None] = print
) -> Benchmark:
    """From rows of the table `trials`, in the order of their commits.

    Raises:
        BenchmarkError: a trial failed.
    """
    rows = [fixed_cost(trial) for trial in trials]
    for row in rows:
        say(
            f"trial {row['trial_id']}: {row['seconds_fixed']:.1f} s fixed of {row['seconds_total']:.1f} s "
            f"(training {row['seconds_train']:.1f} s, evaluation {row['seconds_evaluate']:.1f} s)"
        )
    series = (make_series(FIRST, rows[:1], "seconds_fixed"), make_series(LATER, rows[1:], "seconds_fixed"))
    # One trial at a time, so what is left is starting and ending Ray, and the time between trials.
    outside = seconds_sweep - sum(row["seconds_total"] for row in rows)
    extra = {"seconds_sweep": seconds_sweep, "seconds_outside_trials": outside}
    return Benchmark("trial", "s", False, series, extra=extra)


def fixed_cost(trial: Mapping[str, Any]) -> Raw:
    """A trial's row with `seconds_fixed`. Raises BenchmarkError if the trial failed."""
    if trial["status"] != "completed":
        raise BenchmarkError(f"trial {trial['trial_id']} {trial['status']}: {trial['error']}")
    names = ("trial_id", "role", "strategy", "workers", "zero_stage")
    times = {name: float(trial[name]) for name in ("seconds_total", "seconds_train", "seconds_evaluate")}
    fixed = times["seconds_total"] - times["seconds_train"] - times["seconds_evaluate"]
    return {**{name: trial[name] for name in names}, **times, "seconds_fixed": fixed}
