"""Overhead of the whole driver (Tune, searcher, trial log, tables, journal) with trials that do nothing."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import Benchmark, BenchmarkError, Raw, Variant, make_series
from benchmarks.processes import measure

DRIVER = Variant("driver", "seconds from one trial's end to the next one's")
WARM = 100  # number of trials after which the baseline of the memory growth is taken


@dataclass(frozen=True)
class DriverSettings:
    """One sweep; a trial's synthetic measurement is as large as one of the quickstart's."""

    trials: int = 1000


QUICK = DriverSettings(trials=20)


def run(settings: DriverSettings, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """Run one sweep of `settings.trials` search trials after the two references.

    Raises:
        BenchmarkError: a trial was lost, committed twice or mixed up with another.
    """
    request = asdict(settings) | {"run": str((logs / "driver").resolve())}
    return summarise_driver(measure("driver", "sweep", request, logs / "driver.log", threads=None), say)


def summarise_driver(raw: Raw, say: Callable[[str], None] = print) -> Benchmark:
    """Return the benchmark from the result of `driver_worker`. Raises BenchmarkError as `run`."""
    for fault in ("lost", "doubled", "mixed_up"):
        if raw[fault]:
            names = ", ".join(raw[fault][:5])
            raise BenchmarkError(f"driver: {len(raw[fault])} trials {fault.replace('_', ' ')}: {names}")
    ends, memory = raw["finished_at_s"], raw["memory_mib"]
    if len(ends) != raw["trials"]:
        raise BenchmarkError(f"driver: {len(ends)} trials ended, the tables hold {raw['trials']}")
    rows = [
        {"trial": index, "seconds": after - before}
        for index, (before, after) in enumerate(itertools.pairwise(ends), start=2)
    ]
    # private memory only: shared pages belong to Ray's object store and to libraries
    private = [resident - shared for resident, shared in memory]
    warm = min(WARM, len(private)) - 1
    extra: dict[str, Any] = {
        "trials": raw["trials"],
        "seconds_sweep": raw["seconds_sweep"],
        "seconds_a_trial_p95": quantile([row["seconds"] for row in rows], 0.95),
        "seconds_a_commit_median": quantile(raw["commit_s"], 0.5),
        "seconds_a_commit_p95": quantile(raw["commit_s"], 0.95),
        "memory_growth_mib": private[-1] - private[warm],
        "memory_measured_from_trial": warm + 1,
        "memory_mib": private[:: max(1, len(private) // 20)],
    }
    say(f"driver: {raw['trials']} trials, none lost, none twice; {extra['memory_growth_mib']:.0f} MiB more")
    return Benchmark("driver", "s", False, (make_series(DRIVER, rows, "seconds"),), extra=extra)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
