"""Limits of machines, for tests."""

from dataclasses import replace
from typing import Any

from benchmarks.limits import Limits


def machine_limits(**changes: Any) -> Limits:
    found = Limits(
        device="cpu",
        gpu_name=None,
        threads=2,
        edge=2048,
        bf16_flops_per_second=84.2e9,
        fp32_flops_per_second=160.4e9,
        copied_bytes_per_second=1e10,
        precision="fp32",
        precision_reason="bf16 is slow here",
    )
    return replace(found, **changes)
