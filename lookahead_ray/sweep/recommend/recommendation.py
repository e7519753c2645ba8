"""The recommendation as a value; `recommend` makes it, the command line prints it."""

from dataclasses import dataclass
from typing import Literal

from lookahead_ray.stats.interval import Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """One configuration against vanilla, paired on the same prompts. Differences are its own minus vanilla's.

    The intervals are simultaneous 95 % ones, over all candidates and whatever else is judged of them.
    """

    trial_id: str  # of the configuration's first run
    objective: float  # weighted: the objective; floor: U; pareto: the product of the aims
    difference: float  # weighted: of the objective; floor and pareto: of U, the share of utility kept
    low: float
    high: float
    rsr_p_value: float  # two-sided, unadjusted: McNemar's exact test, with several seeds the bootstrap's
    jsr_p_value: float
    seeds: int = 1
    safety: Interval | None = None  # floor: safety less the floor; pareto: of S, the share of safety kept


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to train. `trial_id` is None when no candidate can be told from vanilla."""

    trial_id: str | None
    sentence: str  # why, for a person
    indistinguishable: tuple[str, ...]  # other candidates that the data can't tell from the recommended one
    comparisons: tuple[Comparison, ...]  # all completed configurations, best first
    kind: Literal["weighted", "floor", "pareto"] = "weighted"
    front: tuple[str, ...] = ()  # pareto: the configurations that no other beats in all aims, best first
