"""KL at the first answer tokens."""

import math
from typing import Any

import pytest
import torch

from lookahead_ray.evaluate import teacher_forced
from lookahead_ray.evaluate.teacher_forced import divergence, early_logits
from tests.toy import VOCAB, toy_model

PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10], [11, 12]]
OPENINGS = [[21, 22, 23, 24, 25], [26, 27], [28, 29, 30, 31], []]
POSITIONS = 4


def measure(
    model: Any, batch_size: int = 64, prompts: Any = PROMPTS, openings: Any = OPENINGS
) -> torch.Tensor:
    passes = early_logits(model, prompts, openings, positions=POSITIONS, batch_size=batch_size, pad_id=0)
    return torch.cat([torch.empty(0, POSITIONS, VOCAB), *passes])


def test_divergence_by_hand() -> None:
    tuned = torch.tensor([[[0.5, 0.5], [0.9, 0.1]]]).log()
    seed = torch.tensor([[[0.25, 0.75], [0.9, 0.1]]]).log()
    expected = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert divergence(tuned, seed).tolist() == [[pytest.approx(expected), pytest.approx(0.0, abs=1e-7)]]
    backwards = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert divergence(seed, tuned)[0, 0].item() == pytest.approx(backwards)


def test_logits_are_those_along_the_opening() -> None:
    model = toy_model()
    found = measure(model)
    assert found.shape == (4, POSITIONS, VOCAB)
    for row, (prompt, opening) in enumerate(zip(PROMPTS, OPENINGS, strict=True)):
        for position in range(min(POSITIONS, len(opening) + 1)):
            ids = torch.tensor([[*prompt, *opening[:position]]])
            with torch.inference_mode():
                expected = model(input_ids=ids).logits[0, -1]
            torch.testing.assert_close(found[row, position], expected, rtol=1e-4, atol=1e-4)


def test_a_short_opening_has_no_kl_beyond_its_end() -> None:
    missing = measure(toy_model()).isnan()
    assert missing.all(-1).tolist() == [
        [False, False, False, False],
        [False, False, False, True],
        [False, False, False, False],
        [False, True, True, True],
    ]
    assert (missing.any(-1) == missing.all(-1)).all()


def test_a_model_does_not_differ_from_itself() -> None:
    seed = measure(toy_model())
    same, other = (divergence(measure(toy_model(seed=number)), seed) for number in (0, 1))
    known = ~seed.isnan().any(-1)
    assert same[known].abs().max() < 1e-6
    assert other[known].min() > 0.01
    assert (same.isnan() == ~known).all()


def test_batches_do_not_change_it() -> None:
    torch.testing.assert_close(
        measure(toy_model(), batch_size=1), measure(toy_model()), rtol=1e-4, atol=1e-4, equal_nan=True
    )


def test_a_rank_without_requests_has_no_rows() -> None:
    found = measure(toy_model(), prompts=[], openings=[])
    assert divergence(found, found).tolist() == []


def test_in_parts_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seed, tuned = measure(toy_model()), measure(toy_model(seed=1))
    whole = divergence(tuned, seed)
    monkeypatch.setattr(teacher_forced, "MOST_NUMBERS", 1)
    torch.testing.assert_close(divergence(tuned, seed), whole, rtol=1e-6, atol=1e-6, equal_nan=True)
    half = divergence(tuned.bfloat16(), seed.bfloat16())
    assert half.dtype == torch.float32


def test_a_token_that_both_exclude_counts_nothing() -> None:
    logits = torch.tensor([[[0.0, 1.0, -torch.inf]]])
    assert divergence(logits, logits).tolist() == [[0.0]]
    assert math.isnan(divergence(torch.tensor([[[0.0, math.nan, 1.0]]]), logits).item())
