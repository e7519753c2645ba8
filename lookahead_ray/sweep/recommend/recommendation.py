"""The recommendation as a value; `recommend` creates it, the command line prints it."""

from dataclasses import dataclass
from typing import Literal

from lookahead_ray.stats.interval import Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """One configuration against vanilla, paired on the same prompts. Differences are minus vanilla's value.

    The intervals are simultaneous 95 % intervals, over all candidates and all values judged.
    """

    trial_id: str  # of the configuration's first run
    objective: float  # weighted: the objective; floor: U; pareto: the product of the aims
    difference: float  # weighted: of the objective; floor and pareto: of U, the share of utility kept
    low: float
    high: float
    rsr_p_value: float  # two-sided, unadjusted: McNemar's exact test, with several seeds the bootstrap's
    jsr_p_value: float
    seeds: int = 1
    safety: Interval | None = None  # floor: safety minus the floor; pareto: of S, the share of safety kept


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The recommended configuration. `trial_id` is None if none beats vanilla beyond the noise."""

    trial_id: str | None
    sentence: str  # the reason, for the user
    indistinguishable: tuple[str, ...]  # other candidates, not significantly different from this one
    comparisons: tuple[Comparison, ...]  # all completed configurations, best first
    kind: Literal["weighted", "floor", "pareto"] = "weighted"
    front: tuple[str, ...] = ()  # pareto: the configurations that no other beats in all aims, best first
