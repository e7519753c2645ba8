"""The number of sequences whose keys and values fit into the memory that a GPU has left."""

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

USED_SHARE = 0.8  # of the free memory; the rest is for activations, logits and the growth of the cache


def fitting_batch(model: "PreTrainedModel", wanted: int, tokens: int, free: int | None = None) -> int:
    """Return how many of `wanted` sequences of `tokens` tokens can be generated at once, at least 1.

    All of them on CPUs, whose memory is shared with other processes. On a GPU fewer if their keys and values
    would not fit; the number changes rounding at most.

    Args:
        free: free bytes; None measures them.
    """
    if free is None:
        if model.device.type != "cuda":
            return wanted
        free = free_bytes(model.device)
    each = tokens * token_bytes(model)
    return max(1, min(wanted, int(USED_SHARE * free // each))) if each else wanted


def free_bytes(device: torch.device) -> int:
    """Return the free bytes of a GPU, with what PyTorch has reserved and doesn't use."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def token_bytes(model: "PreTrainedModel") -> int:
    """Return the bytes of one token's keys and values in all layers; 0 if the model doesn't say."""
    config: Any = model.config.get_text_config()
    names = ("num_hidden_layers", "num_attention_heads", "hidden_size")
    layers, heads, hidden = (getattr(config, name, None) for name in names)
    if not (isinstance(layers, int) and isinstance(heads, int) and isinstance(hidden, int)):
        return 0
    shared = getattr(config, "num_key_value_heads", None) or heads
    size = getattr(config, "head_dim", None) or hidden // heads
    return int(2 * layers * shared * size * model.dtype.itemsize)
