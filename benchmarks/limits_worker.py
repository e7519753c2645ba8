"""Measurement of the machine's limits: matrix products and memory bandwidth, as torch reaches them."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.common import Raw
from benchmarks.limits import Limits, LimitSettings
from lookahead_ray.hardware.precision import Device, measure_matmul, torch_dtype


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Measure FLOP/s of square products and bytes/s of a copy; select the precision as `auto` does."""
    chosen = LimitSettings(**settings)
    device: Device = "cuda" if chosen.device == "cuda" else "cpu"
    torch.set_num_threads(chosen.threads)
    speed = measure_matmul(device)
    source = torch.ones(chosen.copied_bytes, dtype=torch.uint8, device=device)
    copy = torch.empty_like(source).copy_
    return asdict(
        Limits(
            device=device,
            gpu_name=torch.cuda.get_device_name() if device == "cuda" else None,
            threads=chosen.threads,
            edge=chosen.edge,
            bf16_flops_per_second=_peak("bf16", chosen),
            fp32_flops_per_second=_peak("fp32", chosen),
            copied_bytes_per_second=2 * source.numel() / _seconds(copy, source, chosen.seconds),
            precision=speed.precision,
            precision_reason=speed.reason(),
        )
    )


def _peak(precision: str, settings: LimitSettings) -> float:
    """Return FLOP/s of square products."""
    edge = settings.edge
    matrix = torch.randn(edge, edge, device=settings.device, dtype=torch_dtype(precision))
    return 2 * edge**3 / _seconds(matrix.matmul, matrix, settings.seconds)


def _seconds(work: Callable[[torch.Tensor], Any], what: torch.Tensor, at_least: float) -> float:
    """Return the time of the fastest call, in seconds; calls are repeated for `at_least` seconds.

    The fastest call counts, because other load on the machine only makes calls slower.
    """
    times = [_time(work, what)]
    while sum(times) < at_least:
        times.append(_time(work, what))
    return min(times)


def _time(work: Callable[[torch.Tensor], Any], what: torch.Tensor) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    work(what)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
