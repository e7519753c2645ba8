"""Estimated duration of a sweep on more nodes: `python -m benchmarks.scaling > docs/scaling.md`."""

import math
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, TypeVar

import typer

Number = TypeVar("Number", int, float)

GPUS = 8  # per node
PADDED = 2.002  # tokens paid for each real one with padded rows, measured: 4 ranks, batch 64


def _given(value: Number, source: str) -> Number:
    """Return a field of `Assumptions` with its source: measured, counted, published or assumed."""
    made: Number = field(default=value, metadata={"source": source})
    return made


@dataclass(frozen=True)
class Assumptions:
    """Inputs of the model; `source` in a field's metadata says where its value is from."""

    parameters: float = _given(6.7e9, "Llama-2-7B, as in the paper")
    rows: int = _given(7473, "counted: GSM8K's training rows")
    tokens_per_row: float = _given(211, "counted: mean in our chat rendering, with SmolLM2's tokenizer")
    epochs: int = _given(3, "the paper")
    paid_per_real: float = _given(1.001, "measured: `--only packing`, 4 ranks, batch 64; 2.002 if padded")
    generated_tokens: float = _given(
        1319 * 200 + 2 * 330 * 128,
        "1,319 test rows (counted) × 200 tokens (assumed), 330 HEx-PHI prompts twice × 128 (assumed)",
    )
    peak_flops: float = _given(312e12, "published: A100, bf16, dense")
    utilisation: float = _given(
        0.33,
        "assumed: the lowest that torchtitan publishes for Llama-3.1-8B (on H100), but of real tokens here",
    )
    tokens_per_second: float = _given(
        1560,
        "measured: 1,668 with 135M at batch 64 on one H100, where the host limits a step, times 30 ÷ 32 for "
        "the layers; assumed: a 7B model on an A100 is limited alike",
    )
    gpus: int = _given(4, "the paper, per trial")
    fixed_seconds: float = _given(
        30.0, "assumed: loading 7B weights, building the engine; measured for 135M on two cores: 0.6"
    )
    first_seconds: float = _given(120.0, "assumed: starting a worker group; measured for 135M: 22")
    scale_up_seconds: float = _given(300.0, "assumed: until a cloud machine has started")
    trials: int = _given(128, "assumed: after the two references")

    @property
    def training_seconds(self) -> float:
        """Duration of one trial's training, in seconds."""
        paid = self.rows * self.tokens_per_row * self.epochs * self.paid_per_real
        return 6 * self.parameters * paid / (self.gpus * self.peak_flops * self.utilisation)

    @property
    def evaluation_seconds(self) -> float:
        """Duration of one trial's evaluation, in seconds."""
        return self.generated_tokens / (self.gpus * self.tokens_per_second)

    @property
    def trial_seconds(self) -> float:
        """Fixed cost, training and evaluation of one trial, in seconds."""
        return self.fixed_seconds + self.training_seconds + self.evaluation_seconds

    def hours(self, nodes: int) -> float:
        """Return the hours of the whole sweep: the references, then rounds of as many trials as fit."""
        slots = nodes * GPUS // self.gpus
        rounds = math.ceil(2 / slots) + math.ceil(self.trials / slots)
        return (self.scale_up_seconds + self.first_seconds + rounds * self.trial_seconds) / 3600

    def busy(self, nodes: int) -> float:
        """Return the share of the GPU time that trials hold."""
        held = (self.trials + 2) * self.gpus * self.trial_seconds / 3600
        return held / (nodes * GPUS * self.hours(nodes))


def page(assumed: Assumptions) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Scaling",
        "",
        "Estimated duration of a sweep on nodes of 8 GPUs: scale-up + start + rounds × (fixed + training +",
        "evaluation), with as many trials per round as fit. Written by `python -m benchmarks.scaling`.",
        "Nothing was measured on such machines; the table says what was measured elsewhere and what is",
        "assumed. `python -m benchmarks.gpu` measures training and generation at 7B width on one GPU. Trials",
        "share only the driver, 0.1 s per trial (measured; `benchmarks/README.md`).",
        "",
        "| input | value | source |",
        "| --- | --- | --- |",
        *(
            f"| {each.name.replace('_', ' ')} | {getattr(assumed, each.name):g} | {each.metadata['source']} |"
            for each in fields(assumed)
        ),
        "",
        f"A trial then takes {assumed.trial_seconds:.0f} s: {assumed.fixed_seconds:.0f} s fixed, "
        f"{assumed.training_seconds:.0f} s training, {assumed.evaluation_seconds:.0f} s evaluation. "
        f"Padded rows would train for {replace(assumed, paid_per_real=PADDED).training_seconds:.0f} s.",
        "",
        "| nodes | trials at once | hours | GPU time held by trials | rows padded | half the speed "
        "| fixed cost × 10 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    others = (
        replace(assumed, paid_per_real=PADDED),
        replace(
            assumed,
            utilisation=assumed.utilisation / 2,
            tokens_per_second=assumed.tokens_per_second / 2,
        ),
        replace(assumed, fixed_seconds=10 * assumed.fixed_seconds),
    )
    for nodes in (1, 4, 16):
        slots = nodes * GPUS // assumed.gpus
        hours = " | ".join(f"{other.hours(nodes):.1f}" for other in others)
        lines.append(
            f"| {nodes} | {slots} | {assumed.hours(nodes):.1f} | {assumed.busy(nodes):.0%} | {hours} |"
        )
    lines += [
        "",
        "The last three columns are hours too. Half the speed is that of training and of generation.",
        "",
        "`python -m benchmarks.placement --nodes 16 --trials 128 --seconds 90` simulates placement at that",
        "size; `benchmarks/README.md` has the result.",
        "",
        "TPE learns from finished trials only: with 32 trials at once the first 32 are nearly random.",
    ]
    return "\n".join(lines)


def main(
    trials: Annotated[int, typer.Option(min=1, help="Number of search trials.")] = Assumptions.trials,
) -> None:
    """Print docs/scaling.md."""
    print(page(Assumptions(trials=trials)))


if __name__ == "__main__":
    typer.run(main)
