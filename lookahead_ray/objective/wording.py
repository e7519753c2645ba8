"""Figures in the sentences that explain a recommendation."""

from lookahead_ray.objective.judgement import ObjectiveJudgement
from lookahead_ray.stats.interval import Interval


def compared_with_vanilla(difference: Interval) -> str:
    """Return e.g. "0.24 above vanilla's"."""
    return f"{size_and_side(difference)} vanilla's"


def size_and_side(difference: Interval) -> str:
    """Return e.g. "0.24 above"."""
    return f"{decimal_text(abs(difference.value))} {'above' if difference.value >= 0 else 'below'}"


def interval_text(interval: Interval) -> str:
    """Return e.g. "95 % interval −0.02 to 0.31"."""
    low, high = (decimal_text(end).replace("-", "−") for end in (interval.low, interval.high))
    return f"95 % interval {low} to {high}"


def adjustment(judged: ObjectiveJudgement) -> str:
    """Return e.g. ", adjusted for 3 candidates"; empty for one candidate."""
    candidates = len(judged.difference)
    return f", adjusted for {candidates} candidates" if candidates > 1 else ""


def decimal_text(value: float) -> str:
    """Return the value with two decimals."""
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0 turns -0.0 into 0.0
