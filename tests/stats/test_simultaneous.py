"""Simultaneous intervals with columns that are no numbers."""

import math

import numpy as np

from lookahead_ray.stats.simultaneous import Bootstrapped


def numbers(columns: int) -> Bootstrapped:
    rng = np.random.default_rng(0)
    point, resampled = np.zeros(columns), rng.normal(size=(500, columns))
    return Bootstrapped(point, resampled, point[None], np.full(columns, 0.01), np.full(columns, np.inf))


def test_a_column_that_is_no_number_does_not_widen_the_others() -> None:
    alone = numbers(3)
    columns = numbers(4)
    columns.resampled[:, :3] = alone.resampled
    columns.resampled[:, 3] = math.nan
    columns.point[3] = math.nan
    *others, bad = columns.simultaneous(range(4))
    assert others == alone.simultaneous(range(3))
    assert math.isnan(bad.low)
    assert math.isnan(bad.high)
    assert math.isnan(columns.simultaneous([3])[0].low)
