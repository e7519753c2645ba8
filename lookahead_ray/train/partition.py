"""Partition of rows into parts of equal numbers of rows and nearly equal numbers of tokens."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

import numpy as np

NEAR = 1.002
"""Largest sum, as a multiple of the mean, below which no more rows are exchanged."""


def split_evenly(lengths: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """Return the indices of `lengths` in `parts` tuples, ascending, by increasing sum of tokens.

    Sizes differ by at most one. The longest row goes to the part with the fewest tokens that is not full,
    and so on; then rows are exchanged until the largest sum is near the mean or no exchange lowers it. The
    result depends on nothing but the arguments.
    """
    size, larger = divmod(len(lengths), parts)
    tokens = np.asarray(lengths, dtype=np.int64)
    part_of = np.zeros(len(lengths), dtype=np.int64)
    room = [size + (part < larger) for part in range(parts)]
    open_parts = [(0, part) for part in range(parts) if room[part]]
    heapify(open_parts)
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        total, part = heappop(open_parts)
        part_of[row] = part
        room[part] -= 1
        if room[part]:
            heappush(open_parts, (total + lengths[row], part))
    _exchange(tokens, part_of, parts)
    totals = np.bincount(part_of, weights=tokens, minlength=parts)
    return [
        tuple(np.flatnonzero(part_of == part).tolist())
        for part in sorted(range(parts), key=lambda part: (totals[part], part))
    ]


def _exchange(tokens: np.ndarray, part_of: np.ndarray, parts: int) -> None:
    """Exchange a row of the largest part with a row of another one, as long as that helps."""
    totals = np.bincount(part_of, weights=tokens, minlength=parts).astype(np.int64)
    for _ in range(4 * parts):
        largest = int(totals.argmax())
        if totals[largest] * parts <= NEAR * tokens.sum():
            return
        inside, outside = np.flatnonzero(part_of == largest), np.flatnonzero(part_of != largest)
        if not len(inside) or not len(outside):
            return
        moved = tokens[inside][:, None] - tokens[outside]  # (rows inside, rows outside)
        sums = np.maximum(totals[largest] - moved, totals[part_of[outside]] + moved)
        mine, other = np.unravel_index(int(sums.argmin()), sums.shape)
        if sums[mine, other] >= totals[largest]:
            return
        given, taken = inside[mine], outside[other]
        totals[largest] -= moved[mine, other]
        totals[part_of[taken]] += moved[mine, other]
        part_of[given], part_of[taken] = part_of[taken], largest
