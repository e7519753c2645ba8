"""One machine as ranks see it: cores, GPUs, and how fast it multiplies matrices."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from socket import gethostname
from typing import Any, Self

from lookahead_ray.hardware.cpu import usable_cores
from lookahead_ray.hardware.memory import usable_memory
from lookahead_ray.hardware.precision import MatmulSpeed, measure_matmul

PROBE_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Node:
    """One machine.

    Attributes:
        host: its name.
        cores: CPU cores that processes may use.
        gpus: GPUs that PyTorch sees.
        gpu_name: of the first one, such as `NVIDIA H200`; None without GPUs.
        cpu: speed of matrix products on a core.
        gpu: what the first GPU can do; None without GPUs.
        memory: bytes that processes may use; None if unknown.
        gpu_memory: bytes of the first GPU; None without GPUs.
    """

    host: str
    cores: float
    gpus: int
    gpu_name: str | None
    cpu: MatmulSpeed
    gpu: MatmulSpeed | None
    memory: int | None = None
    gpu_memory: int | None = None

    def matmul(self, on_gpu: bool) -> MatmulSpeed:
        """Return the speed of the device that ranks use."""
        return self.gpu if on_gpu and self.gpu else self.cpu

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Make a node from `dataclasses.asdict` of one."""
        speeds = {name: fields[name] and MatmulSpeed(**fields[name]) for name in ("cpu", "gpu")}
        return cls(**{**fields, **speeds})


def describe_this_node() -> Node:
    """Measure this machine in this process; with a GPU, CUDA is initialised in it."""
    import torch

    gpus = torch.cuda.device_count()
    return Node(
        host=gethostname(),
        cores=float(usable_cores()),
        gpus=gpus,
        gpu_name=torch.cuda.get_device_name(0) if gpus else None,
        cpu=measure_matmul("cpu"),
        gpu=measure_matmul("cuda") if gpus else None,
        memory=usable_memory(),
        gpu_memory=torch.cuda.get_device_properties(0).total_memory if gpus else None,
    )


def describe_local_node() -> Node:
    """Measure this machine and leave its GPUs untouched: a process of its own asks them.

    A CUDA context of the driver would take hundreds of MB of the memory that ranks need.
    """
    import torch

    if not torch.cuda.device_count():
        return describe_this_node()
    done = subprocess.run(
        [sys.executable, "-m", "lookahead_ray.hardware.node"],
        check=True,
        capture_output=True,
        text=True,
        timeout=PROBE_TIMEOUT_S,
    )
    return Node.from_json(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    print(json.dumps(asdict(describe_this_node())))
