"""The machine's peak speeds, measured first, and the precision that benchmarks run in. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

from benchmarks.common import Series, Variant
from benchmarks.processes import measure
from lookahead_ray.hardware.precision import Precision

BOTH = "both"


class RequestedPrecision(StrEnum):
    """The precision that the command line requests."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"
    BOTH = BOTH


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Settings of the peak measurement."""

    threads: int = 2
    device: str = "cpu"
    edge: int = 2048  # of the square matrices
    copied_bytes: int = 2**28
    seconds: float = 1.0  # minimum per figure


ON_CPU = LimitSettings()
ON_GPU = LimitSettings(device="cuda", edge=8192, copied_bytes=2**32)
TINY = LimitSettings(edge=128, copied_bytes=2**20, seconds=0.01)


@dataclass(frozen=True, slots=True)
class Limits:
    """Peak speeds of one device, as torch reaches them.

    Attributes:
        device: `cpu` or `cuda`.
        gpu_name: such as `NVIDIA H200`; None on CPUs.
        threads: of the CPU, for each figure.
        edge: of the square matrices.
        bf16_flops_per_second: of products of square matrices.
        fp32_flops_per_second: of products of square matrices.
        copied_bytes_per_second: read and written by a copy.
        precision: the format that `training.precision: auto` selects here.
        precision_reason: the reason as a sentence.
    """

    device: str
    gpu_name: str | None
    threads: int
    edge: int
    bf16_flops_per_second: float
    fp32_flops_per_second: float
    copied_bytes_per_second: float
    precision: Precision
    precision_reason: str

    @property
    def peaks(self) -> dict[str, float]:
        """FLOP/s of square products by precision."""
        return {"bf16": self.bf16_flops_per_second, "fp32": self.fp32_flops_per_second}


def measure_limits(settings: LimitSettings, logs: Path) -> Limits:
    """Measure the limits in a new process.

    Raises:
        BenchmarkError: the process failed.
    """
    log = logs / "limits.log"
    raw = measure("limits", "limits", asdict(settings), log, threads=settings.threads, device=settings.device)
    return Limits(**raw)


def resolve(requested: RequestedPrecision, limits: Limits) -> str:
    """Return `bf16`, `fp32` or `both`: the precision that benchmarks run in."""
    return limits.precision if requested is RequestedPrecision.AUTO else requested.value


def describe(machine: Mapping[str, Any], limits: Limits, requested: RequestedPrecision) -> list[str]:
    """Return printable lines: the machine, its peaks, the precision and the reason for it."""
    units = "".join(f", {unit}" for unit in machine["bf16_units"])
    load = f"load average {machine['load_average_1min']:.1f}"
    peaks = ", ".join(f"{name} {_flops(peak)}" for name, peak in limits.peaks.items())
    where = limits.gpu_name or f"{limits.threads} threads"
    decision = {
        RequestedPrecision.AUTO: f"{limits.precision} chosen",
        RequestedPrecision.BOTH: f"both are measured (auto: {limits.precision})",
    }.get(requested, f"{requested.value} as --precision says (auto: {limits.precision})")
    return [
        f"machine  {machine['cpu_model']}, {machine['cores']} cores{units}; {load}",
        f"peak     {peaks} ({where}, {limits.edge}³): {decision}",
        f"reason   {limits.precision_reason}",
    ]


def in_precisions(variants: Sequence[Variant], precision: str) -> list[Variant]:
    """Return the variants in `precision`; for `both` each one twice.

    Raises:
        ValueError: `precision` is none of these, such as an unresolved `auto`.
    """
    return [replace(variant, precision=each) for variant in variants for each in formats(precision)]


def formats(precision: str) -> tuple[str, ...]:
    """Return the formats that `precision` stands for.

    Raises:
        ValueError: `precision` is none of these, such as an unresolved `auto`.
    """
    known: tuple[str, ...] = get_args(Precision)
    if precision not in (*known, BOTH):
        raise ValueError(f"precision must be one of {', '.join(known)}, {BOTH}, got {precision}")
    return known if precision == BOTH else (precision,)


def split_by_speed(series: Sequence[Series]) -> tuple[list[Series], list[Series]]:
    """Return each variant's series in its faster precision (higher median), and the slower series."""
    faster: dict[str, Series] = {}
    for each in series:
        if each.variant not in faster or each.summary.median > faster[each.variant].summary.median:
            faster[each.variant] = each
    kept = list(faster.values())
    return kept, [each for each in series if each not in kept]


def describe_choice(faster: Sequence[Series], slower: Sequence[Series]) -> list[str]:
    """Return a line for each variant measured in both precisions: the one in which it is compared."""
    others = {each.variant: each for each in slower}
    return [
        f"{each.label}: compared in {each.precision} ({each.summary.median:.1f}; "
        f"{others[each.variant].precision} {others[each.variant].summary.median:.1f})"
        for each in faster
        if each.variant in others
    ]


def _flops(per_second: float) -> str:
    """Return FLOP/s with a unit, such as `84 GFLOP/s`, with three significant digits."""
    if per_second >= 1e12:
        return f"{per_second / 1e12:.3g} TFLOP/s"
    return f"{per_second / 1e9:.3g} GFLOP/s"
