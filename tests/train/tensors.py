"""Counting of the memory and the reads of tensors on the CPU."""

import gc
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode


def live_bytes() -> int:
    """Return the bytes of all storages of tensors that the garbage collector knows, each counted once.

    The compiler's fake tensors have none.
    """
    gc.collect()
    storages = {}
    for each in gc.get_objects():
        kind = type(each)
        if issubclass(kind, torch.Tensor) and not issubclass(kind, FakeTensor) and each.device.type == "cpu":
            storage = each.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the maximum of the bytes that `work` allocates on the CPU beyond those that exist before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    results: Any = profiled.profiler
    changes = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        live += change.nbytes()
        peak = max(peak, live)
    return peak


class CountReads(TorchDispatchMode):
    """Counts how often a number is read from a tensor, which on a GPU waits for the device."""

    reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))
