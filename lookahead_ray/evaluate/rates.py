"""Verdicts to shares with intervals."""

from collections.abc import Sequence

from scipy.stats import binomtest  # type: ignore[import-untyped]

from lookahead_ray.evaluate.generation import COUNTED, Generation, Metric, Rate


def rate(generations: Sequence[Generation], metric: Metric, drop_unparsed: bool = False) -> Rate | None:
    """The share of the metric's rows that have its counted verdict, with a 95 % Wilson interval.

    Unparsed rows stay in the denominator and never count; with `drop_unparsed` (protocol `paper` of the judge
    `llm`) they leave it. None if the metric has no row, or none is left.
    """
    verdicts = [row.verdict for row in generations if row.metric == metric]
    unparsed = verdicts.count("unparsed")
    n = len(verdicts) - unparsed if drop_unparsed else len(verdicts)
    if not n:
        return None
    counted = verdicts.count(COUNTED[metric])
    low, high = wilson(counted, n)
    return Rate(value=counted / n, low=low, high=high, n=n, unparsed=unparsed)


def wilson(count: int, n: int) -> tuple[float, float]:
    """Ends of the 95 % Wilson interval of `count` in `n`, in 0..1; `n` is at least 1."""
    interval = binomtest(count, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)
