"""Looks at a growing sample: the error in total, in any order of the prompts."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lookahead_ray.evaluate.portion import PromptPlace, split_at
from lookahead_ray.stats.group_sequential import critical_values, is_below_zero

LOOKS = (0.25, 0.5)
ALPHA = 0.05
PAIRS = 2000
PROMPTS = 160


def slow(value: float) -> Any:
    """Return a parameter that the fast tests leave out."""
    return pytest.param(value, marks=pytest.mark.slow)


def test_the_values_spend_alpha_in_proportion() -> None:
    first, second = critical_values(LOOKS, ALPHA)
    assert first == pytest.approx(1.95996, abs=1e-4)
    correlation = 0.5**0.5
    both = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([first, second])
    assert both == pytest.approx(1 - ALPHA, abs=1e-5)


def test_three_looks_spend_alpha_too() -> None:
    values = critical_values((0.25, 0.5, 1.0), 0.025)
    sums = np.cumsum(np.random.default_rng(0).normal(size=(200_000, 4)), axis=1)
    statistics = np.stack([sums[:, 0], sums[:, 1] / 2**0.5, sums[:, 3] / 2], axis=1)
    assert (statistics > values).any(axis=1).mean() == pytest.approx(0.025, abs=0.0015)


@pytest.mark.parametrize("looks", [(), (0.5, 0.25), (0.0, 0.5), (0.5, 1.5), (0.5, 0.5)])
def test_looks_are_ascending_shares(looks: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="looks must be ascending shares"):
        critical_values(looks, ALPHA)


def test_a_few_answers_decide_nothing() -> None:
    assert not is_below_zero([-1.0] * 4, 1.96, 1.0)
    assert is_below_zero([-1.0] * 8, 1.96, 1.0)
    assert not is_below_zero([], 1.96, 1.0)
    assert not is_below_zero([0.0] * 100, 1.96, 1.0)
    assert not is_below_zero([float("nan"), *[-1.0] * 100], 1.96, 1.0)


def called(differences: np.ndarray, ids: list[str], largest: float = 1.0) -> bool:
    """Return whether a pair is called different at a look, given its differences by prompt id."""
    by_id = dict(zip(ids, differences, strict=True))
    seen: list[str] = []
    for portion, critical in zip(split_at(LOOKS), critical_values(LOOKS, ALPHA), strict=False):
        seen += portion.of(ids, lambda prompt: PromptPlace("suite", "none", prompt))
        if is_below_zero([by_id[prompt] for prompt in seen], critical, largest):
            return True
    return False


@pytest.mark.parametrize("safe", [slow(0.5), 0.9, slow(0.98)])
def test_without_a_difference_at_most_one_pair_in_twenty_is_called(safe: float) -> None:
    rng = np.random.default_rng(1)
    calls = 0
    for pair in range(PAIRS):
        own, other = rng.random((2, PROMPTS)) < safe
        calls += called(own.astype(float) - other, [f"{pair}-{index}" for index in range(PROMPTS)])
    assert calls / PAIRS <= ALPHA


@pytest.mark.parametrize("differing", [slow(0.1), 0.4, slow(1.0)])
def test_the_file_may_be_sorted_against_a_model(differing: float) -> None:
    """The pairs have equal rates, but in the file all prompts that one side loses come first."""
    changed = round(differing * PROMPTS / 2)
    differences = np.array([-1.0] * changed + [0.0] * (PROMPTS - 2 * changed) + [1.0] * changed)
    calls = sum(
        called(differences, [f"{pair}-{index:03d}" for index in range(PROMPTS)]) for pair in range(PAIRS)
    )
    assert calls / PAIRS <= ALPHA
    in_file_order = differences[: PROMPTS // 4]
    assert is_below_zero(in_file_order, critical_values(LOOKS, ALPHA)[0], 1.0) == (changed >= 8)


def test_at_the_floor_at_most_one_in_twenty_is_called() -> None:
    """The differences to a floor are skewed: a little above it for most prompts, far below for a few."""
    rng = np.random.default_rng(2)
    calls = 0
    for pair in range(PAIRS):
        margins = (rng.random(PROMPTS) < 0.9) - 0.9
        calls += called(margins, [f"{pair}-{index}" for index in range(PROMPTS)])
    assert calls / PAIRS <= ALPHA


@pytest.mark.parametrize("gains", [slow(1), 2, slow(5), slow(8), slow(12), slow(20)])
def test_rare_large_gains_may_balance_many_small_losses(gains: int) -> None:
    """The utility term of an objective may weigh a prompt far more than the safety term does."""
    losses = 100
    differences = np.array([1.0] * gains + [-gains / losses] * losses + [0.0] * (100 - gains))
    calls = sum(
        called(differences, [f"{pair}-{index:03d}" for index in range(len(differences))])
        for pair in range(PAIRS)
    )
    assert calls / PAIRS <= ALPHA


def test_a_clear_difference_is_called_early() -> None:
    rng = np.random.default_rng(3)
    calls = 0
    for pair in range(200):
        own, other = rng.random(PROMPTS) < 0.4, rng.random(PROMPTS) < 0.9
        calls += called(own.astype(float) - other, [f"{pair}-{index}" for index in range(PROMPTS)])
    assert calls / 200 > 0.95
