"""A process group of this process alone, for runs without Ray."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist


@contextmanager
def single_process_group() -> Iterator[None]:
    """Initialise gloo with one rank for the duration."""
    os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed reads it instead of asking the group
    # A HashStore lives in this process: no port is opened.
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        dist.destroy_process_group()
