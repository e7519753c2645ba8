from math import isnan

import pytest
from scipy.stats import t  # type: ignore[import-untyped]

from lookahead_ray.stats.mean import mean_interval


def test_it_is_students_interval() -> None:
    values = [1.0, 2.0, 4.0, 4.5]
    found = mean_interval(values)
    low, high = t.interval(0.95, 3, loc=2.875, scale=(sum((v - 2.875) ** 2 for v in values) / 3 / 4) ** 0.5)
    assert (found.value, found.low, found.high) == pytest.approx((2.875, low, high))


def test_one_value_has_no_interval() -> None:
    found = mean_interval([3.0])
    assert found.value == 3.0
    assert isnan(found.low)
    assert isnan(found.high)
