"""The measurement of a point on a part of the prompts, continued only while it may be on the Pareto front.

All points answer the same prompts first, in an order by a hash of their ids. After a quarter and after half
of them a point is compared with the points that were measured whole before its training began, prompt by
prompt. It ends if one of them is better in safety and in utility beyond the noise: then it can't be on the
front. With a margin, it ends if it can't exceed that point by more than the margin in either. Both tests must
hold, so each may have the whole error probability (intersection-union test). It is split among the compared
points (Bonferroni) and, by a spending function, among the looks (Lan and DeMets 1983); what a look does not
spend is not passed on, which is conservative.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import NormalDist, fmean, variance

from benchmarks.search.answers import Answers, Prompts
from lookahead_ray.evaluate.results import Metric

ALPHA = 0.05
LOOKS = (0.25, 0.5)
"""Shares of the prompts after which a measurement may end."""
SAFETY: tuple[Metric, ...] = ("rsr", "jsr")
"""Rates whose mean is safety."""
NORMAL = NormalDist()
Spending = Callable[[float], float]
"""From the share of the prompts to the error probability that may be spent until then, as a share of all."""


def pocock(share: float) -> float:
    """Return Lan and DeMets' spending that approximates Pocock's bounds: many ends at the first looks."""
    return math.log(1 + (math.e - 1) * share)


def obrien_fleming(share: float, alpha: float = ALPHA) -> float:
    """Return Lan and DeMets' spending that approximates O'Brien and Fleming's bounds: few ends at first."""
    bound = NORMAL.inv_cdf(1 - alpha / 2) / math.sqrt(share)
    return 2 * (1 - NORMAL.cdf(bound)) / alpha


@dataclass(frozen=True)
class Measured:
    """The part of a point's measurement that was done."""

    indices: Mapping[Metric, Sequence[int]]  # of the prompts that were answered
    generated: int  # tokens
    whole: bool


@dataclass(frozen=True)
class SequentialMeasuring:
    """The rule with its spending function."""

    spending: Spending = pocock
    margin: float = 0.0  # in rates
    alpha: float = ALPHA

    def measure(self, prompts: Prompts, answers: Answers, known: Sequence[Answers]) -> Measured:
        """Return how far a point is measured.

        Args:
            known: answers of the points on the front so far, each measured whole.
        """
        order = {metric: answering_order(ids) for metric, ids in prompts.items()}
        spent = 0.0
        for look in LOOKS:
            part = {metric: ids[: math.ceil(look * len(ids))] for metric, ids in order.items()}
            allowed = self.alpha * (self.spending(look) - spent) / max(len(known), 1)
            spent = self.spending(look)
            if any(self._covers(other, answers, part, allowed) for other in known):
                return Measured(part, _generated(answers, part), whole=False)
        return Measured(order, answers.generated, whole=True)

    def _covers(
        self, other: Answers, own: Answers, part: Mapping[Metric, Sequence[int]], allowed: float
    ) -> bool:
        """Return whether `other` is better in safety and utility, each at the one-sided level `allowed`."""
        factor = NORMAL.inv_cdf(1 - allowed)
        groups: tuple[tuple[Metric, ...], ...] = (SAFETY, ("utility",))
        return all(_lower_end(other, own, metrics, part, factor) > -self.margin for metrics in groups)


def answering_order(ids: Sequence[str]) -> list[int]:
    """Return the indices of the prompts in the order in which they are answered."""
    return sorted(range(len(ids)), key=lambda index: sha256(ids[index].encode()).digest())


def _lower_end(
    other: Answers,
    own: Answers,
    metrics: Sequence[Metric],
    part: Mapping[Metric, Sequence[int]],
    factor: float,
) -> float:
    """Return the lower end of the interval of the mean rate's paired difference.

    Metrics share prompts, so their standard errors are added, which makes the interval rather too wide. One
    more difference of 1 and of −1 count in each, so that equal answers to few prompts decide nothing.
    """
    low = 0.0
    for metric in metrics:
        ours, theirs = own.credits[metric], other.credits[metric]
        differences = [1.0, -1.0, *(theirs[index] - ours[index] for index in part[metric])]
        error = math.sqrt(variance(differences) / len(differences))
        low += (fmean(differences) - factor * error) / len(metrics)
    return low


def _generated(answers: Answers, part: Mapping[Metric, Sequence[int]]) -> int:
    return sum(answers.tokens[metric][index] for metric, indices in part.items() for index in indices)
