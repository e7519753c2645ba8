"""Which number format multiplies matrices faster here: bfloat16 or float32.

Instruction sets don't tell: some CPUs with AVX512-BF16 multiply bfloat16 at half the speed of float32, CPUs
without it at a tenth or less. So both are measured, on a product as large as a layer of a small model.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from lookahead_ray.errors import ConfigError

Precision = Literal["bf16", "fp32"]
Device = Literal["cpu", "cuda"]

ROWS, INPUTS, OUTPUTS = 64, 576, 1536
"""Shape of the measured product: a batch of tokens through a feed-forward layer of SmolLM2-135M."""
MEASURE_S = 0.01  # for each format and turn; at least two products
TURNS = 4
LEAST_GAIN = 1.1
"""bf16 is chosen where its products are so many times as fast: everything else it does on CPUs is slower."""


@dataclass(frozen=True, slots=True)
class MatmulSpeed:
    """Speed of matrix products on one device of one machine.

    Attributes:
        device: `cpu` or `cuda`.
        bf16: FLOP/s of one core; None on GPUs, where the architecture tells.
        fp32: FLOP/s of one core; None on GPUs.
        precision: the faster format.
    """

    device: Device
    bf16: float | None
    fp32: float | None
    precision: Precision

    @property
    def bf16_gain(self) -> float | None:
        """How many times as fast as fp32 bf16 is; None where it was not measured."""
        return self.bf16 / self.fp32 if self.bf16 and self.fp32 else None

    def reason(self) -> str:
        """Return in words why `precision` was chosen."""
        if self.bf16_gain is not None:
            return f"a bf16 product runs at {self.bf16_gain:.2g} times the speed of fp32 on this CPU"
        if self.precision == "bf16":
            return "this GPU multiplies bf16 in hardware"
        return "this GPU does not multiply bf16 in hardware"


@lru_cache(maxsize=2)
def measure_matmul(device: Device) -> MatmulSpeed:
    """Measure bf16 and fp32 products on one core of this process's CPU, or look up what its GPU can do.

    Takes some milliseconds, up to a second on CPUs where bf16 is slow; measured once a process.
    """
    import torch

    if device == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
        return MatmulSpeed(device, None, None, "bf16" if supported else "fp32")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # in turns, so that what else the machine does disturbs both alike; the fastest one counts
        seconds = [(_seconds(torch.float32), _seconds(torch.bfloat16)) for _ in range(TURNS)]
    finally:
        torch.set_num_threads(threads)
    fp32, bf16 = (2 * ROWS * INPUTS * OUTPUTS / min(each) for each in zip(*seconds, strict=True))
    return MatmulSpeed(device, bf16, fp32, "bf16" if bf16 >= LEAST_GAIN * fp32 else "fp32")


def local_precision(device: Device) -> Precision:
    """Return the faster format on `device` of this machine."""
    return measure_matmul(device).precision


def torch_dtype(precision: str) -> Any:
    """Return the torch.dtype of a resolved precision.

    Raises:
        ConfigError: `precision` is `auto`, so nothing was measured yet.
    """
    import torch

    if precision == "auto":
        raise ConfigError("training.precision: auto must be resolved before a trial runs")
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]


def _seconds(dtype: Any) -> float:
    """Return the time of the fastest of several products."""
    import torch

    inputs = torch.ones(ROWS, INPUTS, dtype=dtype)
    weights = torch.ones(OUTPUTS, INPUTS, dtype=dtype)
    torch.nn.functional.linear(inputs, weights)  # the first one compiles a kernel
    fastest, until = float("inf"), time.perf_counter() + MEASURE_S
    while True:
        start = time.perf_counter()
        torch.nn.functional.linear(inputs, weights)
        end = time.perf_counter()
        fastest = min(fastest, end - start)
        if end >= until:
            return fastest
