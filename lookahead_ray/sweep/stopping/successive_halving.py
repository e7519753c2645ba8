"""Asynchronous successive halving: decides which trials continue after an epoch.

Li et al. 2020, algorithm 2, without promotions of paused trials: a trial stops or continues, as under Ray's
scheduler of that name. Rungs are after grace, grace · r, grace · r², … epochs. A trial that reaches a rung
continues if fewer than one in r of the trials that reached it are better. With one value, larger is better;
with several, a trial is better if it dominates, as in non-dominated sorting (Schmucker et al. 2021).
"""

from collections.abc import Iterator, Sequence
from math import ceil

from lookahead_ray.config.search import StoppingConfig
from lookahead_ray.objective.dominance import dominates


class SuccessiveHalving:
    """The values of all trials at each rung; every value is maximised."""

    def __init__(self, config: StoppingConfig) -> None:
        self._config = config
        self._rungs: dict[int, dict[str, tuple[float, ...]]] = {}

    def add(self, trial_id: str, epoch: int, values: Sequence[float]) -> None:
        """Add the values of a trial at the end of `epoch`; only the first call counts."""
        self._rungs.setdefault(epoch, {}).setdefault(trial_id, tuple(values))

    def may_continue(self, trial_id: str, epoch: int, epochs: int) -> bool:
        """Return whether a trial that was added, of `epochs` in total, continues training."""
        if epoch >= epochs or epoch not in self._milestones(epochs):
            return True
        rung = self._rungs[epoch]
        if len(rung) < self._config.least_trials:
            return True
        own = rung[trial_id]
        better = sum(dominates(other, own) for other in rung.values())
        return better < ceil(len(rung) / self._config.reduction)

    def _milestones(self, epochs: int) -> Iterator[int]:
        milestone: float = self._config.grace_epochs
        while milestone < epochs:
            yield round(milestone)
            milestone *= self._config.reduction
