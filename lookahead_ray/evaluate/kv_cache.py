"""A cache of keys and values that doesn't copy all of them for each new token, as the library's own does."""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 32  # tokens for which there is room when more is taken


class _Roomy(DynamicLayer):  # type: ignore[no-untyped-call]  # Transformers lacks its annotation
    """Keys and values (batch, heads, tokens, size) as the front part of larger tensors."""

    _whole: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if self._whole is None or end > self._whole[0].shape[-2]:
            self._whole = _larger(key_states, end), _larger(value_states, end)
            if self.keys is not None and self.values is not None and start:
                self._whole[0][..., :start, :] = self.keys
                self._whole[1][..., :start, :] = self.values
        for whole, new in zip(self._whole, (key_states, value_states), strict=True):
            whole[..., start:end, :] = new
        self.keys, self.values = (whole[..., :end, :] for whole in self._whole)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        super().batch_select_indices(indices)
        self._whole = None

    def batch_repeat_interleave(self, repeats: int) -> None:
        super().batch_repeat_interleave(repeats)
        self._whole = None


def _larger(like: torch.Tensor, tokens: int) -> torch.Tensor:
    batch, heads, _, size = like.shape
    return like.new_empty(batch, heads, tokens + ROOM, size)


def roomy_cache() -> Cache:
    """An empty cache for a model's forward passes without gradients."""
    return Cache(layer_class_to_replicate=_Roomy)
