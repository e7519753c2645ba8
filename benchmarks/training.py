"""Training tokens/s of a trial's worker loop against TRL's SFTTrainer and a plain Transformers Trainer."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.common import (
    Benchmark,
    BenchmarkError,
    Raw,
    Series,
    Variant,
    make_ratios,
    make_series,
    repeat,
)
from benchmarks.limits import Limits, describe_choice, in_precisions, split_by_speed
from benchmarks.processes import measure

TWO_RANKS = Variant("ours_two_ranks", "lookahead-ray, ZeRO-2, 2 ranks × 1 thread")
ONE_RANK = Variant("ours_one_rank", "lookahead-ray, ZeRO-2, 1 rank")
TRL = Variant("trl", "TRL SFTTrainer, its defaults")
TRL_BEST = Variant("trl_best", "TRL SFTTrainer, activations kept")
TRL_PACKED = Variant("trl_packed", "TRL SFTTrainer, activations kept, packed to 1024")
TRAINER = Variant("trainer", "transformers Trainer")
OURS, PEERS = (TWO_RANKS, ONE_RANK), (TRL, TRL_BEST, TRL_PACKED, TRAINER)
VARIANTS = OURS + PEERS
PAIRS = tuple((ours.name, peer.name) for ours in OURS for peer in PEERS)
RANKS = {TWO_RANKS.name: 2, ONE_RANK.name: 1}


@dataclass(frozen=True)
class TrainingSettings:
    """The work, equal for all variants; the first of `steps` optimiser updates warms up and is not timed.

    `precision` is `bf16`, `fp32`, or `both` to measure every variant in each; `auto` must be resolved first.
    """

    batch_size: int = 16
    micro_batch_size: int = 8
    steps: int = 9
    learning_rate: float = 1e-4
    max_length: int = 512
    threads: int = 2  # of all ranks together
    device: str = "cpu"
    precision: str = "auto"
    seed: int = 0
    data: str | None = None  # a JSONL file with GSM8K's fields instead of generated word problems

    @property
    def examples(self) -> int:
        """Number of training examples: one pass over them takes `steps` updates."""
        return self.batch_size * self.steps


ON_GPU = TrainingSettings(batch_size=512, micro_batch_size=256, device="cuda")
QUICK = TrainingSettings(batch_size=8, micro_batch_size=4, steps=3)


def run(
    settings: TrainingSettings, limits: Limits, repetitions: int, logs: Path, say: Callable[[str], None]
) -> Benchmark:
    """Measure every variant `repetitions` times, and compare each one in its faster precision.

    Raises:
        BenchmarkError: a measurement failed, or TRL is not installed.
    """
    if importlib.util.find_spec("trl") is None:
        raise BenchmarkError(
            'training: TRL is not installed: run `pip install -c constraints.txt -e ".[bench]"`'
        )

    def once(variant: Variant, repetition: int) -> Raw:
        ranks = RANKS.get(variant.name, 0)
        raw = measure(
            "training_ours" if ranks else "training_peers",
            variant.name,
            {**asdict(settings), "precision": variant.precision},
            logs / f"training-{repetition}-{variant.name}-{variant.precision}.log",
            ranks=ranks,
            threads=settings.threads // max(ranks, 1),
            device=settings.device,
        )
        pace = f"{raw['tokens_per_second']:.1f} tokens/s"
        say(f"training {repetition + 1}/{repetitions}: {variant.title}: {pace}")
        return raw

    # two ranks would need two GPUs
    possible = [each for each in VARIANTS if settings.device == "cpu" or each is not TWO_RANKS]
    variants = in_precisions(possible, settings.precision)
    raw = repeat(variants, repetitions, once)
    series, slower = split_by_speed(
        [make_series(variant, raw[variant], "tokens_per_second") for variant in variants]
    )
    for line in describe_choice(series, slower):
        say(f"training: {line}")
    extra = shares_of_peak(series, limits)
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
