"""An estimate with its interval."""

from dataclasses import dataclass

NORMAL_95 = 1.96
"""Standard errors on each side of a normal variable's 95 % interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its interval."""

    value: float
    low: float
    high: float
