"""Decoding passes as a device likes them: how many between two looks at the answers, and whether captured.

A GPU computes a pass of few tokens faster than the host launches its kernels. So there passes are captured as
CUDA graphs, one for each shape, and the answers' ends are read after several passes. Rows that have
ended meanwhile are computed on, and the surplus tokens are dropped.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch

Pass = Callable[[], None]
"""One decoding pass, which reads and writes tensors that stay where they are."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DecodingPlan:
    """The way to decode on a device."""

    stride: int  # positions that the cache grows by, which copies all of it
    reads: int  # the positions that attention reads are a multiple of this, which divides `stride`
    passes: int  # between two looks at the answers
    width: int  # the rows of a pass are padded to a multiple of this
    capture: Callable[[Pass], Pass] | None = None  # returns a pass that is cheaper to launch


def capture_graph(one_pass: Pass) -> Pass:
    """Return the replay of `one_pass`, captured as a CUDA graph; it must have run before with these shapes.

    Raises:
        RuntimeError: the pass reads a value on the host, or does what can't be captured.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        one_pass()
    return graph.replay


ON_CPU = DecodingPlan(stride=128, reads=16, passes=1, width=1)
ON_GPU = DecodingPlan(stride=128, reads=128, passes=8, width=8, capture=capture_graph)


def plan_for(device: torch.device) -> DecodingPlan:
    """Return the plan for a device."""
    return ON_GPU if device.type == "cuda" else ON_CPU


class Passes:
    """Decoding passes by shape: rows, and positions of the cache, which moves when they change.

    The first pass of each shape is plain, later ones are captured.
    """

    def __init__(self, plan: DecodingPlan) -> None:
        self._capture = plan.capture
        self._captured: dict[tuple[int, int], Pass] = {}
        self._ran: set[tuple[int, int]] = set()

    def run(self, shape: tuple[int, int], one_pass: Pass) -> None:
        """Run a pass. Once a pass can't be captured, all run plainly."""
        if self._capture and shape in self._ran and shape not in self._captured:
            try:
                self._captured[shape] = self._capture(one_pass)
            except RuntimeError as error:
                self._capture = None
                logger.warning("decoding without CUDA graphs, as a pass can't be captured: %s", error)
        self._ran.add(shape)
        self._captured.get(shape, one_pass)()
