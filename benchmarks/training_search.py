"""The settings of TRL's SFTTrainer that are tried, and which of them can run here. No torch."""

import importlib.util
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.common import Benchmark, Raw
from benchmarks.limits import formats
from benchmarks.peer_search import Found, KnownTries, Options, as_benchmark, search
from benchmarks.processes import measure
from benchmarks.training_settings import TRL_BEST, TrainingSettings

TRY_STEPS = 4  # of which the first warms up
COMPILED_WARM_UP = 3  # steps until compiled code serves every shape
GPU_ATTENTION = "varlen"
"""Our attention of packed rows as a stand-in for flash attention, whose kernels may not be installed."""


def start(settings: TrainingSettings) -> Options:
    """Return the options that the search begins with: TRL's defaults, but activations are kept."""
    return {
        "rows": "padded",
        "attention": "sdpa",
        "micro_batch_size": settings.micro_batch_size,
        "liger": False,
        "compile": False,
    }


def rounds(settings: TrainingSettings) -> list[list[Options]]:
    """Return the changes to try: shape of the rows, attention, kernels, micro-batch, compilation."""
    size = settings.micro_batch_size
    shapes: list[Options] = [{"rows": "grouped"}, {"rows": "padding_free"}, {"rows": "packed"}]
    on_gpu = settings.device == "cuda"
    if on_gpu:
        shapes += [
            {"rows": "padding_free", "attention": attention}
            for attention in ("flash_attention_2", GPU_ATTENTION)
        ]
    sizes = [each for each in (2 * size, size // 2) if 1 <= each <= settings.batch_size]
    return [
        shapes,
        [] if on_gpu else [{"attention": "eager"}],
        [{"liger": True}],
        [{"micro_batch_size": each} for each in sizes],
        [{"compile": True}],
    ]


def unavailable(options: Options) -> str | None:
    """Return why options can't be tried here: a package is missing."""
    needed = {
        "liger_kernel": options["liger"],
        "triton": options["liger"],
        "flash_attn": options["attention"] == "flash_attention_2",
    }
    missing = [name for name, wanted in needed.items() if wanted and not importlib.util.find_spec(name)]
    return f"{missing[0]} is not installed" if missing else None


def find_best(settings: TrainingSettings, precision: str, logs: Path, say: Callable[[str], None]) -> Found:
    """Return the fastest settings of TRL in `precision`; tries are kept in `peers` next to `logs`.

    Raises:
        BenchmarkError: nothing runs.
    """
    work = replace(settings, steps=min(settings.steps, TRY_STEPS), precision=precision)

    def tokens_per_second(options: dict[str, Any]) -> float:
        return float(run_trl(work, options, logs)["tokens_per_second"])

    known = KnownTries(logs.parent / "peers" / f"training-{settings.device}-{precision}.json", asdict(work))
    return search(
        start(settings),
        rounds(settings),
        tokens_per_second,
        unavailable,
        known,
        lambda text: say(f"TRL, {precision}: {text}"),
    )


def run_trl(settings: TrainingSettings, options: dict[str, Any], logs: Path, name: str = "try") -> Raw:
    """Train with TRL under `options`, in a new process.

    Raises:
        BenchmarkError: the process failed.
    """
    steps = settings.steps + (COMPILED_WARM_UP - 1 if options["compile"] else 0)
    words = "-".join(str(value) for value in options.values())
    return measure(
        "training_peers",
        TRL_BEST.name,
        asdict(replace(settings, steps=steps, peer=options)),
        logs / f"training-{name}-{words}-{settings.precision}.log",
        threads=settings.threads,
        device=settings.device,
    )


def run(settings: TrainingSettings, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """Search in each requested precision.

    Raises:
        BenchmarkError: nothing runs.
    """
    found = {each: find_best(settings, each, logs, say) for each in formats(settings.precision)}
    return as_benchmark("training_peers", "tokens/s", found)
