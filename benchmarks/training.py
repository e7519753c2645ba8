"""Training tokens/s of a trial's worker loop against TRL's SFTTrainer and a plain Transformers Trainer."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

from benchmarks import training_search
from benchmarks.common import (
    Benchmark,
    BenchmarkError,
    Raw,
    Series,
    Variant,
    make_ratios,
    make_series,
    repeat,
    selected,
)
from benchmarks.limits import Limits, describe_choice, in_precisions, split_by_speed
from benchmarks.processes import measure
from benchmarks.training_settings import TRAINER, TRL, TRL_BEST, TrainingSettings

TWO_RANKS = Variant("ours_two_ranks", "lookahead-ray, ZeRO-2, 2 ranks × 1 thread")
ONE_RANK = Variant("ours_one_rank", "lookahead-ray, ZeRO-2, 1 rank")
OURS, PEERS = (TWO_RANKS, ONE_RANK), (TRL, TRL_BEST, TRAINER)
VARIANTS = OURS + PEERS
PAIRS = tuple((ours.name, peer.name) for ours in OURS for peer in PEERS)
RANKS = {TWO_RANKS.name: 2, ONE_RANK.name: 1}


def run(
    settings: TrainingSettings,
    limits: Limits,
    repetitions: int,
    logs: Path,
    say: Callable[[str], None],
    wanted: Sequence[str] = (),
) -> Benchmark:
    """Measure every variant `repetitions` times, and compare each one in its faster precision.

    Args:
        wanted: names of the variants to measure; none: all.

    Raises:
        BenchmarkError: a measurement failed, or TRL is not installed.
    """
    if importlib.util.find_spec("trl") is None:
        raise BenchmarkError(
            'training: TRL is not installed: run `pip install -c constraints.txt -e ".[bench]"`'
        )

    def once(variant: Variant, repetition: int) -> Raw:
        if variant.name == TRL_BEST.name:
            work = replace(settings, precision=str(variant.precision))
            raw = training_search.run_trl(work, best[work.precision].best, logs, f"{repetition}-trl_best")
        else:
            raw = plain(variant, repetition)
        pace = f"{raw['tokens_per_second']:.1f} tokens/s"
        say(f"training {repetition + 1}/{repetitions}: {variant.title}: {pace}")
        return raw

    def plain(variant: Variant, repetition: int) -> Raw:
        ranks = RANKS.get(variant.name, 0)
        return measure(
            "training_ours" if ranks else "training_peers",
            variant.name,
            {**asdict(settings), "precision": variant.precision},
            logs / f"training-{repetition}-{variant.name}-{variant.precision}.log",
            ranks=ranks,
            threads=settings.threads // max(ranks, 1),
            device=settings.device,
        )

    # two ranks would need two GPUs
    possible = [each for each in VARIANTS if settings.device == "cpu" or each is not TWO_RANKS]
    variants = in_precisions(selected(possible, wanted), settings.precision)
    best = {
        str(each.precision): training_search.find_best(settings, str(each.precision), logs, say)
        for each in variants
        if each.name == TRL_BEST.name
    }
    raw = repeat(variants, repetitions, once)
    series, slower = split_by_speed(
        [make_series(variant, raw[variant], "tokens_per_second") for variant in variants]
    )
    for line in describe_choice(series, slower):
        say(f"training: {line}")
    extra = shares_of_peak(series, limits)
    if best:
        extra["trl_best"] = {precision: asdict(found) for precision, found in best.items()}
    if slower:
        extra["slower_precision"] = [asdict(each) for each in slower]
    pairs = [pair for pair in PAIRS if {each.variant for each in series}.issuperset(pair)]
    return Benchmark("training", "tokens/s", True, tuple(series), make_ratios(series, pairs), extra)


def shares_of_peak(series: Sequence[Series], limits: Limits) -> Raw:
    """Return our FLOP/s over the machine's peak in the same precision."""
    return {
        f"{each.variant}_share_of_{each.precision}_peak": median(row["flops_per_second"] for row in each.raw)
        / limits.peaks[each.precision]
        for each in series
        if each.variant in RANKS and each.precision is not None
    }
