"""KV cache for continuous batching: each running row has a slot, and the slots in use come first.

Attention reads one tensor per layer in place, so a new token copies nothing but its own keys and values. A
row's tokens fill the first positions of its slot; the later ones hold stale values or zeros and must be
masked.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any
from weakref import proxy

import torch
from transformers.cache_utils import Cache, DynamicLayer


class Slots:
    """The cache of a model's forward passes without gradients, and the rows in it.

    A decoding pass reads its positions from tensors on the device, so it is the same operations each time.

    Attributes:
        cache: the cache object that the model gets.
        count: number of slots.
        shared: tokens of the prefix that all rows share. Without rows, a pass computes this prefix.
        lengths: tokens in each used slot.
        places: positions of a slot that decoding passes read, at least those in use.
        room: allocated positions of a slot; keys and values move in memory when it grows, then alone.
        positions: (slots,), the position of each row's next token.
        width: slots that a decoding pass computes, at least the used ones; 0 in a prefill.
    """

    def __init__(self, layers: int, count: int, stride: int, reads: int, device: torch.device) -> None:
        """Make an empty cache; `room` is a multiple of `stride`, `places` of `reads`, which divides it."""
        self._stride, self._reads = stride, reads
        self._layers = [_Layer(self) for _ in range(layers)]
        self.cache = Cache(layers=[*self._layers])
        self.count = count
        self.shared = 0
        self.lengths: list[int] = []
        self.places = self.room = 0
        self.width = 0
        self.positions = torch.zeros(count, dtype=torch.long, device=device)
        self._ends = torch.zeros(count, dtype=torch.long, device=device)  # last position of each slot's row
        self.indices = torch.arange(count, device=device)

    def add(self, lengths: Sequence[int], limits: Sequence[int], longest: int) -> None:
        """Prepare a prefill of new rows, padded on the right to `longest` tokens, without the shared prefix.

        `lengths` leave out drafts, see `accept`. `limits` are the tokens that will be generated for each at
        most, of which this pass gives the first.
        """
        new = slice(len(self.lengths), len(self.lengths) + len(lengths))
        added = [self.shared + length for length in lengths]
        ends = [length + limit - 2 for length, limit in zip(added, limits, strict=True)]
        self.positions[new], self._ends[new] = torch.tensor([added, ends], device=self.positions.device)
        self.lengths += added
        self.width = 0
        self._take_room(self.shared + longest)

    def accept(self, drafted: Sequence[int]) -> None:
        """Lengthen the rows that were added last by the number of drafted tokens that were right."""
        first = len(self.lengths) - len(drafted)
        self.lengths[first:] = [
            length + count for length, count in zip(self.lengths[first:], drafted, strict=True)
        ]
        self.positions[first : len(self.lengths)] += torch.tensor(drafted, device=self.positions.device)

    def begin_decoding(self, steps: int, width: int) -> None:
        """Prepare `steps` passes over the first `width` slots; the position of unused ones is 0."""
        self._ends[len(self.lengths) :] = 0
        self.positions[len(self.lengths) :] = 0
        self.lengths = [length + steps for length in self.lengths]
        self.width = width
        longest = max(self.lengths)
        self.places = max(self.places, self._reads * ceil(longest / self._reads))
        self._take_room(longest)

    def advance(self) -> None:
        """Move each row to its next position, after a decoding pass; a row at its limit stays at its last."""
        positions = self.positions[: self.width]
        torch.minimum(positions + 1, self._ends[: self.width], out=positions)

    def remove(self, slots: Sequence[int]) -> list[int]:
        """Remove rows and move the last ones into their slots; return the old slot of each remaining row."""
        gone = set(slots)
        left = len(self.lengths) - len(gone)
        holes = [slot for slot in sorted(gone) if slot < left]
        movers = [slot for slot in range(left, len(self.lengths)) if slot not in gone]
        order = list(range(left))
        if holes:
            there, here = torch.tensor([holes, movers], device=self.positions.device)
            kept = [each for layer in self._layers for each in layer.states]
            for tensor in (*kept, self.positions, self._ends):
                tensor[there] = tensor[here]
        for hole, mover in zip(holes, movers, strict=True):
            order[hole] = mover
        self.lengths = [self.lengths[slot] for slot in order]
        return order

    def _take_room(self, length: int) -> None:
        if length > self.room:
            self.room = self._stride * ceil(length / self._stride)
            for layer in self._layers:
                layer.grow()


class _Layer(DynamicLayer):
    """Keys and values of one layer, `states`, (slots, heads, positions, size) each."""

    def __init__(self, slots: Slots) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Transformers lacks its annotation
        self._slots: Slots = proxy(slots)  # in a cycle, the memory would wait for the garbage collector
        self._prefix: tuple[torch.Tensor, torch.Tensor] | None = None
        self.states: tuple[torch.Tensor, ...] = ()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        slots, new_states = self._slots, (key_states, value_states)
        if not slots.lengths:
            self._prefix = new_states
            return new_states
        if not self.states:
            self.states = tuple(self._zeros(state) for state in new_states)
        keys, values = self.states
        if width := slots.width:
            rows, positions = slots.indices[:width], slots.positions[:width]
            for kept, state in zip(self.states, new_states, strict=True):
                kept[rows, :, positions] = state[:, :, 0]
            return keys[:width, :, : slots.places], values[:width, :, : slots.places]
        used = len(slots.lengths)
        new, end = slice(used - len(key_states), used), slots.shared + key_states.shape[-2]
        for kept, state, prefix in zip(self.states, new_states, self._prefix or new_states, strict=True):
            if slots.shared:
                kept[new, :, : slots.shared] = prefix
            kept[new, :, slots.shared : end] = state
        return keys[new, :, :end], values[new, :, :end]

    def grow(self) -> None:
        """Enlarge keys and values to the room of the slots."""
        grown = tuple(self._zeros(state) for state in self.states)
        for old, new in zip(self.states, grown, strict=True):
            new[:, :, : old.shape[2]] = old
        self.states = grown

    def _zeros(self, like: torch.Tensor) -> torch.Tensor:
        """Return zeros: attention multiplies masked values by zero, so they must not be infinite."""
        return like.new_zeros(self._slots.count, like.shape[1], self._slots.room, like.shape[3])
