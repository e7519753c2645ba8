"""Portions of the prompts, which are asked one after the other.

The order is by a hash of suite and prompt, so it is the same for all trials and says nothing about the
prompts: each portion is a random sample of every metric's prompts, also if a file is sorted by difficulty. A
request has the same place plain and under each attack.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple, TypeVar

from lookahead_ray.method.reporting import Report

Item = TypeVar("Item")


class PromptPlace(NamedTuple):
    """What identifies a prompt of a metric."""

    suite: str
    attack: str
    prompt_id: str


@dataclass(frozen=True, slots=True)
class Portion:
    """The prompts between two shares, 0..1, of the order of each suite and attack."""

    start: float
    end: float

    def of(self, items: Sequence[Item], place: Callable[[Item], PromptPlace]) -> list[Item]:
        """Return the items in this portion, in the order of `items`.

        All items of a suite and attack must be given, on every rank: their number determines the portion.
        """
        orders: dict[tuple[str, str], list[tuple[bytes, int]]] = defaultdict(list)
        for index, item in enumerate(items):
            suite, attack, prompt_id = place(item)
            digest = hashlib.sha256(f"{suite}/{prompt_id}".encode()).digest()
            orders[suite, attack].append((digest, index))
        chosen: list[int] = []
        for order in orders.values():
            first, last = ceil(self.start * len(order)), ceil(self.end * len(order))
            chosen += (index for _, index in sorted(order)[first:last])
        return [items[index] for index in sorted(chosen)]

    def report(self, report: Report) -> Report:
        """Return a report for this portion, given one for all prompts."""

        def scaled(detail: str, done: float, total: float) -> None:
            whole = total / (self.end - self.start)
            report(detail, self.start * whole + done, whole)

        return scaled


ALL = Portion(0.0, 1.0)


def split_at(shares: Sequence[float]) -> list[Portion]:
    """Return the portions between these ascending shares, which together are all prompts."""
    ends = (*shares, 1.0)
    return [Portion(start, end) for start, end in zip((0.0, *shares), ends, strict=True)]
