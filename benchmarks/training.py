"""Training tokens/s of a trial's worker loop against TRL's SFTTrainer and a plain transformers Trainer."""

import importlib.util
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.common import Benchmark, BenchmarkError, Raw, Variant, make_ratios, make_series, repeat
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
PEAK = "peak"
RANKS = {TWO_RANKS.name: 2, ONE_RANK.name: 1}


@dataclass(frozen=True)
class TrainingSettings:
    """The same work for all; the first of `steps` optimiser updates warms up and is not counted."""

    batch_size: int = 16
    micro_batch_size: int = 8
    steps: int = 9
    learning_rate: float = 1e-4
    max_length: int = 512
    threads: int = 2  # over all ranks
    device: str = "cpu"
    seed: int = 0

    @property
    def examples(self) -> int:
        """Exactly one pass."""
        return self.batch_size * self.steps


ON_GPU = TrainingSettings(batch_size=512, micro_batch_size=256, device="cuda")
QUICK = TrainingSettings(batch_size=8, micro_batch_size=4, steps=3)


def run(settings: TrainingSettings, repetitions: int, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """Measure every variant `repetitions` times.

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
            asdict(settings),
            logs / f"training-{repetition}-{variant.name}.log",
            ranks=ranks,
            threads=settings.threads // max(ranks, 1),
            device=settings.device,
        )
        pace = f"{raw['tokens_per_second']:.1f} tokens/s"
        say(f"training {repetition + 1}/{repetitions}: {variant.label}: {pace}")
        return raw

    # two ranks would need two GPUs
    variants = [each for each in VARIANTS if settings.device == "cpu" or each is not TWO_RANKS]
    raw = repeat(variants, repetitions, once)
    series = [make_series(variant, raw[variant.name], "tokens_per_second") for variant in variants]
    log = logs / "training-peak.log"
    limits = measure("peak", PEAK, asdict(settings), log, threads=settings.threads, device=settings.device)
    extra: Raw = {"limits": limits}
    for name in RANKS.keys() & raw.keys():
        of_peak = [row["flops_per_second"] / limits["bf16_flops_per_second"] for row in raw[name]]
        extra[f"{name}_share_of_bf16_peak"] = median(of_peak)
    pairs = [pair for pair in PAIRS if pair[0] in raw]
    return Benchmark("training", "tokens/s", True, tuple(series), make_ratios(series, pairs), extra)
