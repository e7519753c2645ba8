"""Duration of the commit of a finished trial with as many answers as a whole evaluation gives."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.common import Benchmark, Variant, make_series
from benchmarks.processes import measure

COMMIT = Variant("commit", "a trial with its generations, until it is on the disk")


@dataclass(frozen=True)
class CommitSettings:
    """The number and size of the synthetic trials, which are committed one after another into one run."""

    generations: int = 5000
    trials: int = 20  # per repetition


QUICK = CommitSettings(generations=100, trials=3)


def run(settings: CommitSettings, repetitions: int, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """Commit `settings.trials` trials per repetition; every commit is one measurement."""
    request = asdict(settings) | {"trials": settings.trials * repetitions}
    raw = measure("commit", COMMIT.name, request, logs / "commit.log", threads=None)
    series = make_series(COMMIT, raw["commits"], "milliseconds")
    say(f"commit: {settings.generations:,} generations in {series.summary.median:.0f} ms")
    return Benchmark("commit", "ms", False, (series,))
