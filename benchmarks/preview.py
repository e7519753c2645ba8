"""Rows/s of `lookahead-ray preview`: tokenised in batches against one row at a time, as published."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.common import Benchmark, BenchmarkError, Raw, Variant, make_ratios, make_series, repeat
from benchmarks.processes import measure

BATCHED = Variant("batched", "lookahead-ray preview, in batches")
ROW_BY_ROW = Variant("row_by_row", "the same, one answer tokenised at a time")
VARIANTS = (BATCHED, ROW_BY_ROW)
PAIRS = ((BATCHED.name, ROW_BY_ROW.name),)


@dataclass(frozen=True)
class PreviewSettings:
    """A JSONL file of generated word problems; the first `distinct` rows are repeated.

    An answer consists of `solutions` solutions: with 3 it is as long as GSM8K's answers.
    """

    rows: int = 50_000
    distinct: int = 2_000
    solutions: int = 3
    length_tokens: int = 6
    protocol: str = "fixed"
    seed: int = 0


QUICK = PreviewSettings(rows=500, distinct=100)


def run(settings: PreviewSettings, repetitions: int, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """Measure both variants `repetitions` times; tokenizers use one thread per core.

    Raises:
        BenchmarkError: a measurement failed, or the two variants wrote different files.
    """

    def once(variant: Variant, repetition: int) -> Raw:
        log = logs / f"preview-{repetition}-{variant.name}.log"
        raw = measure("preview", variant.name, asdict(settings), log, threads=None)
        say(
            f"preview {repetition + 1}/{repetitions}: {variant.label}: {raw['rows_per_second']:,.0f} rows/s, "
            f"{raw['rows_per_cpu_second']:,.0f} rows/CPU s, memory grew by {raw['memory_growth_mib']:.0f} MiB"
        )
        return raw

    raw = repeat(VARIANTS, repetitions, once)
    digests = {row["sha256"] for rows in raw.values() for row in rows}
    if len(digests) != 1:
        raise BenchmarkError("preview: batches and single rows wrote different files")
    series = [make_series(variant, raw[variant], "rows_per_second") for variant in VARIANTS]
    ours, peer = (raw[variant] for variant in VARIANTS)
    by_cpu = [a["rows_per_cpu_second"] / b["rows_per_cpu_second"] for a, b in zip(ours, peer, strict=True)]
    extra = {
        "ratio_by_cpu_time": sorted(by_cpu)[len(by_cpu) // 2],
        "memory_growth_mib": max(row["memory_growth_mib"] for row in ours),
    }
    return Benchmark("preview", "rows/s", True, tuple(series), make_ratios(series, PAIRS), extra)
