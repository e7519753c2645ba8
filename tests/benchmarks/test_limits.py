"""The machine's limits, and the precision that follows from them."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from benchmarks import limits
from benchmarks.common import (
    Variant,
)
from benchmarks.limits import Limits, RequestedPrecision
from tests.benchmarks.machine_limits import machine_limits

OURS, PEER = Variant("ours", "our loop"), Variant("peer", "their loop")


GPU = {
    "device": "cuda",
    "gpu_name": "NVIDIA H200",
    "edge": 8192,
    "bf16_flops_per_second": 712.3e12,
    "fp32_flops_per_second": 50.7e12,
    "precision": "bf16",
}


@pytest.mark.parametrize(
    ("changes", "requested", "line"),
    [
        ({}, "auto", "bf16 84.2 GFLOP/s, fp32 160 GFLOP/s (2 threads, 2048³): fp32 chosen"),
        ({}, "bf16", "(2 threads, 2048³): bf16 as --precision says (auto: fp32)"),
        ({}, "both", "(2 threads, 2048³): both are measured (auto: fp32)"),
        (GPU, "auto", "bf16 712 TFLOP/s, fp32 50.7 TFLOP/s (NVIDIA H200, 8192³): bf16 chosen"),
    ],
)
def test_peaks_and_the_chosen_precision_as_lines(changes: dict[str, Any], requested: str, line: str) -> None:
    here = {"cpu_model": "A CPU", "cores": 2, "bf16_units": ["avx512_bf16"], "load_average_1min": 0.25}
    machine_line, peak, reason = limits.describe(
        here, machine_limits(**changes), RequestedPrecision(requested)
    )
    assert machine_line == "machine  A CPU, 2 cores, avx512_bf16; load average 0.2"
    assert peak.startswith("peak     bf16 ")
    assert peak.endswith(line)
    assert reason == "reason   bf16 is slow here"


def test_limits_are_measured_and_choose_as_auto_does() -> None:
    import torch

    from benchmarks import limits_worker
    from lookahead_ray.hardware.precision import local_precision, measure_matmul

    threads = torch.get_num_threads()
    try:
        found = Limits(**limits_worker.measure("limits", asdict(limits.TINY)))
    finally:
        torch.set_num_threads(threads)
    assert (found.device, found.gpu_name, found.edge) == ("cpu", None, limits.TINY.edge)
    assert min(*found.peaks.values(), found.copied_bytes_per_second) > 0
    assert (found.precision, found.precision_reason) == (
        local_precision("cpu"),
        measure_matmul("cpu").reason(),
    )


def test_both_measures_each_variant_twice_and_auto_is_refused() -> None:
    assert limits.in_precisions([OURS, PEER], "fp32") == [
        replace(OURS, precision="fp32"),
        replace(PEER, precision="fp32"),
    ]
    both = limits.in_precisions([OURS], "both")
    assert [variant.title for variant in both] == ["our loop, bf16", "our loop, fp32"]
    with pytest.raises(ValueError, match="one of bf16, fp32, both, got auto"):
        limits.in_precisions([OURS], "auto")
