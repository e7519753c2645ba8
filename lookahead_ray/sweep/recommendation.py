"""The recommendation as a value; `recommend` makes it, the command line prints it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comparison:
    """One search trial against vanilla, paired on the same prompts. Differences are trial minus vanilla."""

    trial_id: str
    objective: float
    difference: float  # of the objective
    low: float  # simultaneous 95 % interval of the difference, over all candidates
    high: float
    rsr_p_value: float  # exact McNemar, two-sided, unadjusted
    jsr_p_value: float


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to train. `trial_id` is None when no candidate beats vanilla beyond the noise."""

    trial_id: str | None
    sentence: str  # why, for a person
    indistinguishable: tuple[str, ...]  # other candidates that the data can't tell from the recommended one
    comparisons: tuple[Comparison, ...]  # all completed search trials, best objective first
