"""The order in which the shares of a merge are measured: as listed, or each chosen by those before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.trial.job import ChooseShare
from lookahead_ray.trial.measurement import Measurement


class NextShare(NamedTuple):
    """A share to measure, and whether it is known to be the last one."""

    share: float
    is_last: bool


class ShareOrder(Protocol):
    """The order of the shares of one training."""

    def after(self, measured: Sequence[Measurement | None]) -> NextShare | None:
        """Return what to measure after these; None at the end.

        All ranks must call this together; only rank 0 has measurements, the others None for each.
        """


@dataclass(frozen=True)
class ListedShares:
    """Shares that are known before the training, at least one."""

    shares: tuple[float, ...]

    def after(self, measured: Sequence[Measurement | None]) -> NextShare | None:
        """Return the next one of the list."""
        index = len(measured)
        return (
            NextShare(self.shares[index], index == len(self.shares) - 1) if index < len(self.shares) else None
        )


@dataclass(frozen=True)
class ChosenShares:
    """A first share, and further ones that rank 0 chooses by a rule."""

    first: float
    rule: ChooseShare

    def after(self, measured: Sequence[Measurement | None]) -> NextShare | None:
        """Return the share that the rule gives for the measurements."""
        if not measured:
            return NextShare(self.first, False)
        known = [
            (one.merge_share, one.generations) for one in measured if one and one.merge_share is not None
        ]
        share = gather_everywhere(self.rule.next_share(known) if known else None)[0]
        return None if share is None else NextShare(share, False)
