"""The recommendation as a value; `recommend` creates it, the command line prints it."""

from dataclasses import dataclass

from lookahead_ray.objective.search_objective import SCALAR_COLUMNS, ReportColumns
from lookahead_ray.stats.interval import Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """One configuration against vanilla, paired on the same prompts. Differences are minus vanilla's value.

    The intervals are simultaneous 95 % intervals, over all candidates and all values judged.
    """

    trial_id: str  # of the configuration's first run
    objective: float  # the value that ranks configurations (`ObjectiveJudgement.merit`)
    difference: float  # `ObjectiveJudgement.difference`
    low: float
    high: float
    rsr_p_value: float  # two-sided, unadjusted: McNemar's exact test, with several seeds the bootstrap's
    jsr_p_value: float
    seeds: int = 1
    safety: Interval | None = None  # `ObjectiveJudgement.safety`; None if the objective does not judge it


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The recommended configuration. `trial_id` is None if none beats vanilla beyond the noise."""

    trial_id: str | None
    sentence: str  # the reason, for the user
    indistinguishable: tuple[str, ...]  # other candidates, not significantly different from this one
    comparisons: tuple[Comparison, ...]  # all completed configurations, best first
    columns: ReportColumns = SCALAR_COLUMNS  # how the objective presents `comparisons`
    front: tuple[str, ...] = ()  # configurations on the Pareto front, best first, if the objective has one
