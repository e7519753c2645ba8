"""The ways and settings of a peer's generation that are tried, and which of them can run here. No torch."""

import importlib.util
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.common import Benchmark, Raw
from benchmarks.generation_settings import (
    GENERATE_BATCH,
    PLAIN_BEST,
    START,
    VLLM,
    GenerationSettings,
)
from benchmarks.limits import formats
from benchmarks.peer_search import Found, KnownTries, Options, as_benchmark, search
from benchmarks.processes import measure


def rounds(settings: GenerationSettings) -> list[list[Options]]:
    """Return the changes to try: size of the batch, order of the prompts, attention, other ways."""
    prompts = settings.harmful_prompts + settings.task_prompts
    sizes = [{"batch_size": size} for size in (16, 32, 128, 256) if size < prompts]
    return [
        [*sizes, {"batch_size": prompts}],
        [{"sorted": True}],
        [{"attention": "eager"}] if settings.device == "cpu" else [],
        [{"way": GENERATE_BATCH, "batch_size": prompts, "sorted": False, "attention": "sdpa"}],
        [{"way": VLLM, "batch_size": prompts, "sorted": False}],
    ]


def unavailable(options: Options) -> str | None:
    """Return why options can't be tried here: vLLM is not installed."""
    missing = options["way"] == VLLM and not importlib.util.find_spec("vllm")
    return "vllm is not installed" if missing else None


def find_best(settings: GenerationSettings, precision: str, logs: Path, say: Callable[[str], None]) -> Found:
    """Return the fastest settings of the peers in `precision`; tries are kept in `peers` next to `logs`.

    Raises:
        BenchmarkError: nothing runs.
    """
    work = replace(settings, precision=precision)
    path = logs.parent / "peers" / f"{settings.name}-{settings.device}-{precision}.json"
    return search(
        START,
        rounds(settings),
        lambda options: float(run_peer(work, options, logs, "try")["tokens_per_second"]),
        unavailable,
        KnownTries(path, asdict(work)),
        lambda text: say(f"{settings.name} by peers, {precision}: {text}"),
    )


def run_peer(settings: GenerationSettings, options: dict[str, Any], logs: Path, name: str) -> Raw:
    """Generate with a peer under `options`, in a new process.

    Raises:
        BenchmarkError: the process failed.
    """
    words = "-".join(str(value) for value in options.values())
    return measure(
        "generation",
        PLAIN_BEST.name,
        asdict(replace(settings, peer=options)),
        logs / f"{settings.name}-{name}-{words}-{settings.precision}.log",
        threads=settings.threads,
        device=settings.device,
    )


def run(settings: GenerationSettings, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """Search for the peers' best settings in each requested precision.

    Raises:
        BenchmarkError: nothing runs.
    """
    found = {each: find_best(settings, each, logs, say) for each in formats(settings.precision)}
    return as_benchmark(f"{settings.name}_peers", "tokens/s", found)
