"""Verdicts to shares with intervals."""

from collections.abc import Sequence

from scipy.stats import binomtest  # type: ignore[import-untyped]

from lookahead_ray.evaluate.generation import COUNTED, Generation, Metric, Rate


def rate(generations: Sequence[Generation], metric: Metric) -> Rate | None:
    """The share of the metric's rows that have its counted verdict, with a 95 % Wilson interval.

    Unparsed rows stay in the denominator and never count. None if the metric has no row.
    """
    verdicts = [row.verdict for row in generations if row.metric == metric]
    if not verdicts:
        return None
    counted = verdicts.count(COUNTED[metric])
    interval = binomtest(counted, len(verdicts)).proportion_ci(confidence_level=0.95, method="wilson")
    return Rate(
        value=counted / len(verdicts),
        low=float(interval.low),
        high=float(interval.high),
        n=len(verdicts),
        unparsed=verdicts.count("unparsed"),
    )
