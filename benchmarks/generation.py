"""Generation tokens/s of `evaluate.generation.generate` against a plain loop over `model.generate`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.common import Benchmark, Raw, Variant, make_ratios, make_series, repeat
from benchmarks.limits import describe_choice, in_precisions, split_by_speed
from benchmarks.processes import measure
from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED

OURS_16 = Variant("ours_16", "lookahead-ray, batch 16")
OURS_64 = Variant("ours_64", "lookahead-ray, batch 64 (its default)")
PLAIN_10 = Variant("plain_10", "model.generate loop, batch 10 (as published)")
PLAIN_16 = Variant("plain_16", "model.generate loop, batch 16")
PLAIN_64 = Variant("plain_64", "model.generate loop, batch 64")
VARIANTS = (OURS_16, OURS_64, PLAIN_10, PLAIN_16, PLAIN_64)
PAIRS = (
    (OURS_16.name, PLAIN_16.name),
    (OURS_64.name, PLAIN_10.name),
    (OURS_64.name, PLAIN_16.name),
    (OURS_64.name, PLAIN_64.name),
)
IDENTITY = "identity"


@dataclass(frozen=True)
class GenerationSettings:
    """Prompts and lengths, equal for all variants. The defaults are a trial's evaluation of an aligned model.

    `precision` is `bf16`, `fp32`, or `both` to measure every variant in each; `auto` must be resolved first.
    """

    name: str = "generation"
    model: str = EMBEDDED
    harmful_prompts: int = 64
    task_prompts: int = 32
    max_new_tokens: int = 192  # a third of the solutions and few other answers reach this length
    identity_prompts: int = 16  # compared token by token in fp32, at batch 16
    threads: int = 2
    device: str = "cpu"
    precision: str = "auto"
    seed: int = 0


FULL_LENGTH = GenerationSettings(
    name="generation_full_length", model=EMBEDDED_UNALIGNED, max_new_tokens=64
)  # hardly an answer ends earlier, so skipping ended rows gains nothing here
QUICK = GenerationSettings(harmful_prompts=12, task_prompts=6, max_new_tokens=8, identity_prompts=4)


def run(settings: GenerationSettings, repetitions: int, logs: Path, say: Callable[[str], None]) -> Benchmark:
    """Measure every variant `repetitions` times and compare each one in its faster precision.

    Then compare tokens in fp32, once.
    """

    def ask(variant: str, precision: str | None, repetition: int) -> Raw:
        log = logs / f"{settings.name}-{repetition}-{variant}-{precision}.log"
        request = {**asdict(settings), "precision": precision}
        return measure("generation", variant, request, log, threads=settings.threads, device=settings.device)

    def once(variant: Variant, repetition: int) -> Raw:
        raw = ask(variant.name, variant.precision, repetition)
        pace = f"{raw['tokens_per_second']:.1f} tokens/s"
        say(f"{settings.name} {repetition + 1}/{repetitions}: {variant.title}: {pace}")
        return raw

    variants = in_precisions(VARIANTS, settings.precision)
    raw = repeat(variants, repetitions, once)
    series, slower = split_by_speed(
        [make_series(variant, raw[variant], "tokens_per_second") for variant in variants]
    )
    for line in describe_choice(series, slower):
        say(f"{settings.name}: {line}")
    identity = ask(IDENTITY, "fp32", 0)
    say(f"{settings.name}: identical in fp32: {identity['identical']} of {identity['prompts']} prompts")
    extra: Raw = {"share_identical_in_fp32": identity["identical"] / identity["prompts"], IDENTITY: identity}
    if slower:
        extra["slower_precision"] = [asdict(each) for each in slower]
    return Benchmark(settings.name, "tokens/s", True, tuple(series), make_ratios(series, PAIRS), extra)


def counted_tokens(answer: Sequence[int], max_new_tokens: int) -> int:
    """Return the number of generated tokens, the end token included if there is one."""
    return min(len(answer) + 1, max_new_tokens)


def until_end(row: Sequence[int], end_ids: frozenset[int]) -> list[int]:
    """Return the tokens before the first end token."""
    return list(row[: next((i for i, token in enumerate(row) if token in end_ids), len(row))])
