"""Process groups in addition to the one that Ray Train creates."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import torch.distributed as dist

Value = TypeVar("Value")


@contextmanager
def single_process_group(on_gpu: bool = False) -> Iterator[None]:
    """Initialise a group with this process as its only rank for the duration, for runs without Ray.

    Args:
        on_gpu: whether tensors on a GPU are reduced too, by NCCL; gloo lacks operations that ZeRO needs.
    """
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed reads this variable, not the group
    # A HashStore is local to this process, so no port is opened.
    dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        dist.destroy_process_group()


@lru_cache(maxsize=1)
def object_group() -> dist.ProcessGroup | None:
    """Return the gloo group for Python objects, also on GPUs; all ranks must make the first call together."""
    return dist.new_group(backend="gloo") if dist.get_backend() != "gloo" else None


def gather_everywhere(value: Value) -> list[Value]:
    """Return the values of all ranks, by rank, on every rank; all ranks must call this together."""
    values = [value] * dist.get_world_size()
    dist.all_gather_object(values, value, group=object_group())
    return values
