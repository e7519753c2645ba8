"""Generation tokens/s of `evaluate.generation.generate` against the ways of other libraries."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.common import Benchmark, Raw, Variant, make_ratios, make_series, repeat, selected
from benchmarks.generation_search import find_best, run_peer
from benchmarks.generation_settings import (
    GENERATE,
    GENERATE_BEST,
    IDENTITY,
    PLAIN_BEST,
    GenerationSettings,
)
from benchmarks.limits import describe_choice, in_precisions, split_by_speed
from benchmarks.processes import measure

OURS_64 = Variant("ours_64", "lookahead-ray, batch 64 (its default)")
PLAIN_10 = Variant("plain_10", "model.generate loop, batch 10 (as published)")
VARIANTS = (OURS_64, PLAIN_10, PLAIN_BEST, GENERATE_BEST)
PAIRS = tuple((OURS_64.name, peer.name) for peer in VARIANTS[1:])
SEARCHED = (PLAIN_BEST.name, GENERATE_BEST.name)


def run(
    settings: GenerationSettings,
    repetitions: int,
    logs: Path,
    say: Callable[[str], None],
    wanted: Sequence[str] = (),
) -> Benchmark:
    """Measure every variant `repetitions` times and compare each one in its faster precision.

    Then compare tokens in fp32, once.

    Args:
        wanted: names of the variants to measure; none: all.

    Raises:
        BenchmarkError: a measurement failed, or a variant is unknown.
    """

    def ask(variant: str, precision: str | None, repetition: int) -> Raw:
        log = logs / f"{settings.name}-{repetition}-{variant}-{precision}.log"
        request = {**asdict(settings), "precision": precision}
        return measure("generation", variant, request, log, threads=settings.threads, device=settings.device)

    def once(variant: Variant, repetition: int) -> Raw:
        precision = str(variant.precision)
        if variant.name in SEARCHED:
            work, found = replace(settings, precision=precision), tried[precision]
            options = found.best if variant.name == PLAIN_BEST.name else found.best_with(way=GENERATE)
            raw = run_peer(work, options, logs, f"{repetition}-best")
        else:
            raw = ask(variant.name, precision, repetition)
        pace = f"{raw['tokens_per_second']:.1f} tokens/s"
        say(f"{settings.name} {repetition + 1}/{repetitions}: {variant.title}: {pace}")
        return raw

    variants = in_precisions(selected(VARIANTS, wanted), settings.precision)
    searched = {str(each.precision) for each in variants if each.name in SEARCHED}
    tried = {precision: find_best(settings, precision, logs, say) for precision in sorted(searched)}
    raw = repeat(variants, repetitions, once)
    series, slower = split_by_speed(
        [make_series(variant, raw[variant], "tokens_per_second") for variant in variants]
    )
    for line in describe_choice(series, slower):
        say(f"{settings.name}: {line}")
    extra: Raw = {}
    if not wanted:
        identity = ask(IDENTITY, "fp32", 0)
        say(f"{settings.name}: identical in fp32: {identity['identical']} of {identity['prompts']} prompts")
        extra = {"share_identical_in_fp32": identity["identical"] / identity["prompts"], IDENTITY: identity}
    if tried:
        extra["plain_best"] = {precision: asdict(found) for precision, found in tried.items()}
    if slower:
        extra["slower_precision"] = [asdict(each) for each in slower]
    pairs = [pair for pair in PAIRS if {each.variant for each in series}.issuperset(pair)]
    return Benchmark(settings.name, "tokens/s", True, tuple(series), make_ratios(series, pairs), extra)
