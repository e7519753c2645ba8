"""An estimate with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its interval."""

    value: float
    low: float
    high: float
