"""Keys and values of rows that come and go: each running row has a slot, and the slots in use stand in front.

Attention reads one tensor a layer as it is, so a new token copies nothing but itself. A row's tokens are the
first of its slot; what is behind them is left over or zero, and must be masked.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

STRIDE, STRIDE_ON_GPU = 16, 128  # tokens that slots grow by: each time all is copied; empty ones are read too


class Slots:
    """The cache of a model's forward passes without gradients, and who is in it.

    Attributes:
        cache: what the model is given.
        count: slots there are.
        shared: tokens that all rows begin with. While no row is there, a pass is of these.
        lengths: tokens of each slot in use.
        places: tokens that a slot has room for.
    """

    def __init__(self, layers: int, count: int, stride: int = STRIDE) -> None:
        self._stride = stride
        self._layers = [_Layer(self) for _ in range(layers)]
        self.cache = Cache(layers=[*self._layers])
        self.count = count
        self.shared = 0
        self.lengths: list[int] = []
        self.positions: list[int] = []  # of the token that a pass brings for each row; empty: it brings rows
        self.places = 0

    def add(self, lengths: Sequence[int]) -> None:
        """The next pass brings new rows, padded on the right, without what is shared."""
        self.positions = []
        self.lengths += [self.shared + length for length in lengths]
        self._take_room()

    def step(self) -> list[int]:
        """The next pass brings one token for each row; their positions."""
        self.positions = self.lengths
        self.lengths = [length + 1 for length in self.lengths]
        self._take_room()
        return self.positions

    def remove(self, slots: Sequence[int]) -> list[int]:
        """Take rows out; the last ones move into their slots. Which old slot each of the others had."""
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
    """One layer's keys and values, (slots, heads, tokens, size)."""

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
        """Copy some slots into others."""
        for kept in self._whole or ():
            kept[holes] = kept[movers]

    def _room(self, states: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """The whole tensors, as large as the slots are now.

        Of zeros, as attention multiplies what is masked by zero, and that must not be infinite.
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
