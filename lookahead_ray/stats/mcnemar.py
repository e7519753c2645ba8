"""A paired test of two models on the same prompts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class PairedTest:
    """McNemar's exact test, two-sided. Counts are prompts; `difference` is share a minus share b."""

    n: int
    only_a: int  # prompts where only a succeeds
    only_b: int
    difference: float
    p_value: float


def mcnemar(a: Mapping[str, bool], b: Mapping[str, bool]) -> PairedTest:
    """Compare success by prompt id; under the null, a lone success is as likely a's as b's.

    Raises ValueError, naming a missing id, unless both sides have the same prompts, and at least one.
    """
    if not a or a.keys() != b.keys():
        missing = min(a.keys() ^ b.keys(), default="any prompt")
        lacks = "a" if missing in b else "b"
        raise ValueError(f"paired test: both sides must have the same prompts, got {lacks} without {missing}")
    only_a = sum(a[prompt] and not b[prompt] for prompt in a)
    only_b = sum(b[prompt] and not a[prompt] for prompt in a)
    return PairedTest(len(a), only_a, only_b, (only_a - only_b) / len(a), mcnemar_p(only_a, only_b))


@cache  # SciPy takes milliseconds, and thousands of pairs have few distinct counts
def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return the two-sided exact p-value from the counts of prompts where only one side succeeds."""
    discordant = only_a + only_b
    from scipy.stats import binomtest  # type: ignore[import-untyped]  # takes a second

    return float(binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0
