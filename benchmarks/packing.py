"""Tokens that ranks pay for, for each real one, by the plan of a training; and the speed of packed rows.

All ranks of an accumulation step wait for the one with the most tokens, so they pay for as many each.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.common import Benchmark, Raw, Variant, make_ratios, make_series, repeat
from benchmarks.limits import in_precisions, split_by_speed
from benchmarks.processes import measure
from benchmarks.training_settings import TrainingSettings

RANKS = (1, 4, 8)
PACKED = Variant("packed", "lookahead-ray, 1 rank, packed rows")
PADDED = Variant("padded", "the same, padded rows")
SHAPES = ("packed", "padded")


@dataclass(frozen=True)
class PackingSettings:
    """A training on the rows of `data`, a JSONL file with GSM8K's fields, or on generated word problems."""

    data: str | None = None
    examples: int = 2048  # of word problems
    batch_size: int = 64
    micro_batch_size: int = 16
    max_length: int = 512
    seed: int = 0


QUICK = PackingSettings(examples=128)


def run(settings: PackingSettings, say: Callable[[str], None]) -> Benchmark:
    """Return tokens paid for ÷ real tokens by number of ranks, of packed rows and of padded ones sorted by
    length; print those of packed rows, each as a JSON line too.

    Raises:
        LookaheadRayError: the file can't be read, or lacks fields.
    """
    from benchmarks.training_rows import MODEL, read_rows
    from lookahead_ray.model.load import load_tokenizer

    lengths = [
        row.length
        for row in read_rows(
            load_tokenizer(MODEL), settings.data, settings.examples, settings.max_length, settings.seed
        )
    ]
    series, pairs = [], []
    for ranks in RANKS:
        for shape in SHAPES:
            figure = paid_per_real(lengths, settings, ranks, packed=shape == "packed")
            variant = Variant(f"{shape}_{ranks}", f"{shape}, {ranks} rank{'s' * (ranks > 1)}")
            series.append(make_series(variant, [{"ranks": ranks, "paid_per_real": figure}], "paid_per_real"))
            say(f"packing: {variant.label}: {figure:.4f} tokens paid for each real one")
            if shape == "packed":
                print(json.dumps({"ranks": ranks, "paid_per_real": round(figure, 4)}), flush=True)
        pairs.append((f"packed_{ranks}", f"padded_{ranks}"))
    extra: Raw = {"rows": len(lengths), "real_tokens": sum(lengths)}
    return Benchmark("packing", "tokens/real token", False, tuple(series), make_ratios(series, pairs), extra)


def paid_per_real(lengths: Sequence[int], settings: PackingSettings, ranks: int, packed: bool) -> float:
    """Return Σ ranks × tokens of the slowest rank, over accumulation steps, ÷ all real tokens.

    Args:
        lengths: (rows,) tokens of each row.
    """
    from lookahead_ray.config.training import TrainingConfig
    from lookahead_ray.train.batches import plan_batches

    config = TrainingConfig(
        epochs=1,
        batch_size=settings.batch_size,
        micro_batch_size=settings.micro_batch_size,
        max_length=settings.max_length,
    )

    def tokens(share: Sequence[int]) -> int:
        each = [lengths[index] for index in share]
        return sum(each) if packed else len(each) * max(each, default=0)

    plan = plan_batches(lengths, config, world_size=ranks, seed=settings.seed, packed=packed)
    paid = sum(ranks * max(map(tokens, step)) for batch in plan for step in batch.micro)
    return paid / sum(lengths)


def run_speed(
    settings: TrainingSettings, repetitions: int, logs: Path, say: Callable[[str], None]
) -> Benchmark:
    """Measure training tokens/s of packed and of padded rows in turns, in the precision of `settings`.

    Raises:
        BenchmarkError: a measurement failed.
    """

    def once(variant: Variant, repetition: int) -> Raw:
        raw = measure(
            "training_ours",
            variant.name,
            {**asdict(settings), "precision": variant.precision},
            logs / f"packing_speed-{repetition}-{variant.name}-{variant.precision}.log",
            ranks=1,
            threads=settings.threads,
            device=settings.device,
        )
        pace = f"{raw['tokens_per_second']:.1f} tokens/s"
        say(f"packing_speed {repetition + 1}/{repetitions}: {variant.title}: {pace}")
        return raw

    variants = in_precisions([PACKED, PADDED], settings.precision)
    raw = repeat(variants, repetitions, once)
    series, _ = split_by_speed(
        [make_series(variant, raw[variant], "tokens_per_second") for variant in variants]
    )
    ratios = make_ratios(series, [(PACKED.name, PADDED.name)])
    ours, peer = ([row["tokens_per_cpu_second"] for row in each.raw] for each in series)
    extra: Raw = {"ratio_by_cpu_time": median(a / b for a, b in zip(ours, peer, strict=True))}
    return Benchmark("packing_speed", "tokens/s", True, tuple(series), ratios, extra)
