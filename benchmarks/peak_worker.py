"""The machine's own limits: matrix multiplication and memory bandwidth, as torch reaches them."""

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.common import Raw
from benchmarks.training import TrainingSettings

SECONDS = 1.0  # at least, for each figure
EDGE = {"cpu": 2048, "cuda": 8192}  # of the square matrices
COPIED = {"cpu": 2**28, "cuda": 2**32}  # bytes


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """FLOP/s of square products in bf16 and fp32, and bytes/s read and written by a copy."""
    chosen = TrainingSettings(**settings)
    torch.set_num_threads(chosen.threads)
    edge = EDGE[chosen.device]
    found = {}
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        matrix = torch.randn(edge, edge, device=chosen.device, dtype=dtype)
        found[f"{name}_flops_per_second"] = 2 * edge**3 / _seconds(matrix.matmul, matrix)
    source = torch.ones(COPIED[chosen.device], dtype=torch.uint8, device=chosen.device)
    found["copied_bytes_per_second"] = 2 * source.numel() / _seconds(torch.empty_like(source).copy_, source)
    return found


def _seconds(work: Callable[[torch.Tensor], Any], what: torch.Tensor) -> float:
    """Of one call, in the mean over at least `SECONDS`."""
    work(what)
    _wait()
    start, calls, taken = time.perf_counter(), 0, 0.0
    while taken < SECONDS:
        work(what)
        _wait()
        calls, taken = calls + 1, time.perf_counter() - start
    return taken / calls


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
