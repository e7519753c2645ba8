"""KV cache for continuous batching: each running row has a slot, and the slots in use come first.

Attention reads one tensor per layer in place, so a new token copies nothing but its own keys and values. A
row's tokens fill the first positions of its slot; the later ones hold stale values or zeros and must be
masked.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

STRIDE, STRIDE_ON_GPU = 16, 128  # positions that slots grow by: growth copies all; empty ones are read too


class Slots:
    """The cache of a model's forward passes without gradients, and the rows in it.

    Attributes:
        cache: the cache object that the model gets.
        count: number of slots.
        shared: tokens of the prefix that all rows share. Without rows, a pass computes this prefix.
        lengths: tokens in each used slot.
        places: allocated positions per slot.
    """

    def __init__(self, layers: int, count: int, stride: int = STRIDE) -> None:
        self._stride = stride
        self._layers = [_Layer(self) for _ in range(layers)]
        self.cache = Cache(layers=[*self._layers])
        self.count = count
        self.shared = 0
        self.lengths: list[int] = []
        self.positions: list[int] = []  # of each row's new token in a decoding pass; empty in a prefill
        self.places = 0

    def add(self, lengths: Sequence[int]) -> None:
        """Prepare the next pass for new rows, padded on the right, without the shared prefix."""
        self.positions = []
        self.lengths += [self.shared + length for length in lengths]
        self._take_room()

    def step(self) -> list[int]:
        """Prepare the next pass for one new token per row; return the tokens' positions."""
        self.positions = self.lengths
        self.lengths = [length + 1 for length in self.lengths]
        self._take_room()
        return self.positions

    def remove(self, slots: Sequence[int]) -> list[int]:
        """Remove rows and move the last ones into their slots; return the old slot of each remaining row."""
        gone = set(slots)
        left = len(self.lengths) - len(gone)
        holes = [slot for slot in sorted(gone) if slot < left]
        movers = [slot for slot in range(left, len(self.lengths)) if slot not in gone]
        if holes:
            for layer in self._layers:
                layer.move(movers, holes)
        order = list(range(left))
        for hole, mover in zip(holes, movers, strict=True):
            order[hole] = mover
        self.lengths = [self.lengths[slot] for slot in order]
        return order

    def _take_room(self) -> None:
        if max(self.lengths) > self.places:
            self.places = self._stride * ceil(max(self.lengths) / self._stride)


class _Layer(DynamicLayer):
    """Keys and values of one layer, (slots, heads, positions, size)."""

    def __init__(self, slots: Slots) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Transformers lacks its annotation
        self._slots = slots
        self._prefix: tuple[torch.Tensor, torch.Tensor] | None = None
        self._whole: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        slots, states = self._slots, (key_states, value_states)
        if not slots.lengths:
            self._prefix = states
            return states
        whole = self._room(states)
        used = len(slots.lengths)
        if slots.positions:
            for kept, state in zip(whole, states, strict=True):
                kept[range(used), :, slots.positions] = state[:, :, 0]
            return whole[0][:used], whole[1][:used]
        new, end = slice(used - len(key_states), used), slots.shared + key_states.shape[-2]
        for kept, state, prefix in zip(whole, states, self._prefix or states, strict=True):
            if slots.shared:
                kept[new, :, : slots.shared] = prefix
            kept[new, :, slots.shared : end] = state
        return whole[0][new, :, :end], whole[1][new, :, :end]

    def move(self, movers: list[int], holes: list[int]) -> None:
        """Copy the slots `movers` into the slots `holes`."""
        for kept in self._whole or ():
            kept[holes] = kept[movers]

    def _room(self, states: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the whole key and value tensors, grown to the current size of the slots.

        New positions are zeros: attention multiplies masked values by zero, so they must not be infinite.
        """
        count, places = self._slots.count, self._slots.places
        if self._whole is None or places > self._whole[0].shape[2]:
            keys, values = (
                state.new_zeros(count, state.shape[1], places, state.shape[3]) for state in states
            )
            if self._whole is not None:
                there = self._whole[0].shape[2]
                keys[:, :, :there], values[:, :, :there] = self._whole
            self._whole = keys, values
        return self._whole
