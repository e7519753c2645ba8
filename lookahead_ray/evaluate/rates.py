"""Rates with intervals, computed from verdicts.

A trial's rows may come from several suites, attacks and judges. Its rate of a metric is computed from the
rows that share suite, attack and judge with the metric's first row. Rows are kept in the configuration's
order, so these are the first suite with such prompts, the first attack and the first judge of the metric.
"""

from collections.abc import Sequence
from functools import cache

from lookahead_ray.evaluate.results import COUNTED, Generation, Metric, Rate
from lookahead_ray.stats.mean import mean_interval


def headline(generations: Sequence[Generation], metric: Metric) -> list[Generation]:
    """Return the metric's rows that a trial's rate is computed from, `dropped` ones included."""
    rows = [row for row in generations if row.metric == metric]
    return [row for row in rows if _kind(row) == _kind(rows[0])]


def credit(row: Generation) -> float:
    """Return a row's part of its rate's numerator: 1 for the counted verdict, `scored`: its score, else 0."""
    if row.verdict == "scored":
        return row.score or 0.0
    return float(row.verdict == COUNTED[row.metric])


def compliance(row: Generation) -> float:
    """Return 1 for a harmless request that is answered; 0 if it is refused, or if the answer is unparsed."""
    return 0.0 if row.verdict == "unparsed" else 1 - credit(row)


def rate(generations: Sequence[Generation], metric: Metric) -> Rate | None:
    """Return the rate over the metric's `headline` rows; to rate other rows, select them beforehand.

    Shares of verdicts have a Wilson interval, means of scores have Student's. Unparsed rows stay in the
    denominator and never count; `dropped` rows leave it. None if no row is left, or if one is still unjudged.
    """
    rows = [row for row in headline(generations, metric) if row.verdict != "dropped"]
    if not rows or any(row.verdict == "unjudged" for row in rows):
        return None
    counted, n = [credit(row) for row in rows], len(rows)
    if any(row.verdict == "scored" for row in rows):
        low, high = student(counted)
    else:
        low, high = wilson(round(sum(counted)), n)
    unparsed = sum(row.verdict == "unparsed" for row in rows)
    return Rate(value=sum(counted) / n, low=low, high=high, n=n, unparsed=unparsed)


@cache  # SciPy takes milliseconds, and thousands of trials have few distinct counts
def wilson(count: int, n: int) -> tuple[float, float]:
    """Return the ends of the 95 % Wilson interval of `count` in `n`, in 0..1; `n` is at least 1."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]  # takes a second

    interval = binomtest(count, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def student(scores: Sequence[float]) -> tuple[float, float]:
    """Return the ends of Student's 95 % interval of the mean score, clipped to 0..1; (0, 1) for one score."""
    if len(scores) < 2:
        return 0.0, 1.0
    mean = mean_interval(scores)
    return max(mean.low, 0.0), min(mean.high, 1.0)


def _kind(row: Generation) -> tuple[str, str, str]:
    return row.suite, row.attack, row.judge
