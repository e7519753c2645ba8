"""Copies from the host to a model's device that do not wait for the device."""

import torch


def move(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a CPU tensor on `device`.

    A copy from ordinary memory to a GPU waits for all that the GPU has to compute before; one from pinned
    memory is queued.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
