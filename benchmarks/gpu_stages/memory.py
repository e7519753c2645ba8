"""Bytes of live tensors."""

import gc

import torch


def live_bytes(device: str) -> int:
    """Return the bytes of all tensors on a device; on CPUs those that Python's collector finds."""
    gc.collect()
    if device == "cuda":
        return torch.cuda.memory_allocated()
    storages = {}
    for each in gc.get_objects():
        if isinstance(each, torch.Tensor) and each.device.type == device:
            storage = each.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def start_peak(device: str) -> None:
    """Free what is cached, and measure the peak from here on."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gb(device: str) -> float | None:
    """Return the peak since `start_peak` in GB of 1e9 bytes; None on CPUs."""
    return torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else None


def wait(device: str) -> None:
    """Wait until the device has done its work."""
    if device == "cuda":
        torch.cuda.synchronize()
