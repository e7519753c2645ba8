"""What is counted and timed in training, and the peers' settings."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import training, training_settings
from benchmarks.clock import Clock
from benchmarks.training_peers import _Counting, training_arguments


def test_clock_leaves_the_first_step_out() -> None:
    clock = Clock()
    for _ in range(3):
        clock.step_ended()
    raw = clock.raw([1000, 10, 20], [500, 5, 6], 1.5)
    assert (raw["tokens"], raw["answer_tokens"], raw["steps"]) == (30, 11, 2)
    assert raw["tokens_per_second"] == pytest.approx(30 / raw["seconds"])
    assert sum(raw["step_seconds"]) == pytest.approx(raw["seconds"])
    with pytest.raises(ValueError, match="each of 3 steps, got 2"):
        clock.raw([1, 2], [1, 2], 1.5)


def test_collator_counts_without_padding() -> None:
    batches = [
        {"attention_mask": np.array([[1, 1, 0]]), "labels": np.array([[-100, 7, -100]])},
        {"attention_mask": np.array([[1, 1, 1]]), "labels": np.array([[-100, 7, 8]])},
    ]
    counting = _Counting(lambda rows: batches[len(rows)])
    for rows in ([], ["row"], ["row"], []):
        counting(rows)
    assert counting.by_step("tokens", 2) == [5, 5]
    assert counting.by_step("answer_tokens", 4) == [6]


def test_peers_train_in_the_chosen_precision() -> None:
    for precision in ("bf16", "fp32"):
        settings = replace(training_settings.QUICK, precision=precision)
        for peer in training.PEERS:
            assert training_arguments(peer.name, settings, "out")["bf16"] is (precision == "bf16")
