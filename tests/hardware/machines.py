"""Machines for tests: nodes as `describe_this_node` describes them."""

from lookahead_ray.hardware.node import Node
from lookahead_ray.hardware.precision import MatmulSpeed

FAST_CPU = MatmulSpeed("cpu", 400e9, 170e9, "bf16")
SLOW_CPU = MatmulSpeed("cpu", 1e9, 72e9, "fp32")
AMPERE = MatmulSpeed("cuda", None, None, "bf16")
VOLTA = MatmulSpeed("cuda", None, None, "fp32")


def node(
    cores: int = 2, gpus: int = 0, cpu: MatmulSpeed = FAST_CPU, gpu: MatmulSpeed = AMPERE, host: str = "here"
) -> Node:
    """Return a machine."""
    return Node(host, float(cores), gpus, "a GPU" if gpus else None, cpu, gpu if gpus else None)
