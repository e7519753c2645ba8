"""The token-level objectives: values by hand, autograd of the plain formula in float64, whole rows."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from lookahead_ray.config.method import ConstrainedSftMethod, TokenKlMethod
from lookahead_ray.data.chat import Rendered
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.method import vanilla
from lookahead_ray.method.registry import METHODS
from lookahead_ray.method.token_level import betas, constrained_sft, constrained_weights, token_kl
from lookahead_ray.train.model import supervised
from tests.method.contexts import Ranks, alone
from tests.method.test_seed_log_probs import Counting
from tests.toy import toy_model
from tests.train.reference import make_rows

CONSTRAINED = ConstrainedSftMethod(name="constrained_sft")
KL = TokenKlMethod(name="token_kl")
ROWS = [*make_rows(7), Rendered((4, 5), (6,))]


def numbers(seed: int, count: int = 40) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """log p, log p_0 and β in float64, some far apart."""
    generator = torch.Generator().manual_seed(seed)
    log_p, log_p0 = -torch.rand(2, count, generator=generator, dtype=torch.float64) * 12
    beta = torch.tensor([0.5, 2.0, 0.1, 20.0], dtype=torch.float64).repeat(count // 4)
    return log_p.requires_grad_(), log_p0, beta


def reference_losses(
    model: Any, seed: Any, rows: list[Rendered], config: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both objectives in float64, token by token from full logits, as the papers write them."""
    kl, constrained = [], []
    for row in rows:
        ids = torch.tensor([[*row.prompt_ids, *row.answer_ids]])
        log_p = model(input_ids=ids).logits[0].double().log_softmax(-1)
        with torch.no_grad():
            log_p0 = seed(input_ids=ids).logits[0].double().log_softmax(-1)
        for position, token in enumerate(row.answer_ids, start=1):
            at = len(row.prompt_ids) + position - 2  # the input before this token
            beta = config.beta
            if position <= config.bias_length:
                beta = config.first_beta if position == 1 else config.bias_beta
            delta = log_p[at, token] - log_p0[at, token]
            kl.append(-(2 / beta) * torch.log(torch.sigmoid(beta * delta)))
            weight = max(1e-3, 2 * (1 - 1 / (1 + math.exp(-beta * delta.item()))))
            constrained.append(-weight * log_p[at, token])
    return torch.stack(kl).sum(), torch.stack(constrained).sum()


class TestSchedule:
    def test_the_published_one(self) -> None:
        assert betas(CONSTRAINED, 8) == [0.5, 2.0, 2.0, 2.0, 2.0, 0.1, 0.1, 0.1]
        assert betas(KL, 8) == betas(CONSTRAINED, 8)
        factors = CONSTRAINED.first_beta / CONSTRAINED.beta, CONSTRAINED.bias_beta / CONSTRAINED.beta
        assert (factors, CONSTRAINED.beta, CONSTRAINED.bias_length) == ((5, 20), 0.1, 5)

    @pytest.mark.parametrize(
        ("length", "bias_length", "expected"),
        [
            (1, 5, [0.5]),
            (3, 5, [0.5, 2.0, 2.0]),
            (5, 5, [0.5, 2.0, 2.0, 2.0, 2.0]),
            (3, 1, [0.5, 0.1, 0.1]),
            (2, 0, [0.1, 0.1]),
            (0, 5, []),
        ],
    )
    def test_short_answers_and_other_lengths(
        self, length: int, bias_length: int, expected: list[float]
    ) -> None:
        assert betas(CONSTRAINED.model_copy(update={"bias_length": bias_length}), length) == expected


class TestNumbersByHand:
    def test_token_kl(self) -> None:
        # σ(2 · ln 3 / 2) = 3/4: −(2/2) ln 0.75; at the seed model −(2/0.1) ln 0.5.
        log_p = torch.tensor([math.log(0.3), -1.0], dtype=torch.float64)
        log_p0 = torch.tensor([math.log(0.3) - math.log(3) / 2, -1.0], dtype=torch.float64)
        beta = torch.tensor([2.0, 0.1], dtype=torch.float64)
        expected = -math.log(0.75) + 20 * math.log(2)
        assert token_kl(log_p, log_p0, beta).item() == pytest.approx(expected, rel=1e-14)

    def test_constrained_sft(self) -> None:
        # Weights: 2 (1 − 3/4) = 1/2, 2 (1 − 1/4) = 3/2, and 1 at the seed model.
        shift = math.log(3) / 2
        log_p = torch.tensor([-0.7, -0.7, -0.7], dtype=torch.float64)
        log_p0 = torch.tensor([-0.7 - shift, -0.7 + shift, -0.7], dtype=torch.float64)
        beta = torch.full((3,), 2.0, dtype=torch.float64)
        assert constrained_weights(log_p, log_p0, beta).tolist() == pytest.approx([0.5, 1.5, 1.0], rel=1e-14)
        assert constrained_sft(log_p, log_p0, beta).item() == pytest.approx(0.7 * 3.0, rel=1e-14)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_at_the_seed_model_the_weight_is_exactly_one(self, dtype: torch.dtype) -> None:
        log_p = -torch.rand(50, dtype=dtype) * 20
        beta = torch.tensor([0.1, 0.5, 2.0, 7.3, 100.0], dtype=dtype).repeat(10)
        assert torch.equal(constrained_weights(log_p, log_p, beta), torch.ones(50, dtype=dtype))

    def test_weights_stay_between_a_thousandth_and_two(self) -> None:
        log_p0 = torch.tensor([-30.0, -3.0, 0.0])
        log_p = torch.tensor([0.0, -3.0, -30.0])
        assert constrained_weights(log_p, log_p0, torch.full((3,), 2.0)).tolist() == pytest.approx(
            [1e-3, 1.0, 2.0]
        )


class TestGradients:
    @pytest.mark.parametrize("seed", range(3))
    def test_token_kl_is_the_formula_and_so_is_its_gradient(self, seed: int) -> None:
        log_p, log_p0, beta = numbers(seed)
        loss = token_kl(log_p, log_p0, beta)
        (gradient,) = torch.autograd.grad(loss, log_p)
        plain = (-(2 / beta) * torch.log(torch.sigmoid(beta * (log_p - log_p0)))).sum()
        (expected,) = torch.autograd.grad(plain, log_p)
        torch.testing.assert_close(loss, plain, rtol=1e-12, atol=0)
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)
        closed = -2 * (1 - torch.sigmoid(beta * (log_p - log_p0)))
        torch.testing.assert_close(gradient, closed.detach(), rtol=1e-9, atol=1e-12)
        assert torch.autograd.gradcheck(
            lambda x: token_kl(x, log_p0[:8], beta[:8]), log_p[:8].detach().requires_grad_()
        )

    def test_constrained_sft_has_that_gradient_down_to_the_least_weight(self) -> None:
        log_p, log_p0, beta = numbers(5)
        (constrained,) = torch.autograd.grad(constrained_sft(log_p, log_p0, beta), log_p)
        (exact,) = torch.autograd.grad(token_kl(log_p, log_p0, beta), log_p)
        torch.testing.assert_close(constrained, exact.clamp(max=-1e-3), rtol=1e-12, atol=0)
        assert (exact > -1e-3).any()
        assert (exact < -1e-3).any()

    def test_the_weights_carry_no_gradient(self) -> None:
        log_p, log_p0, beta = numbers(6)
        weights = constrained_weights(log_p, log_p0, beta)
        assert not weights.requires_grad
        (gradient,) = torch.autograd.grad(constrained_sft(log_p, log_p0, beta), log_p)
        torch.testing.assert_close(gradient, -weights, rtol=0, atol=0)

    def test_no_value_overflows(self) -> None:
        log_p = torch.tensor([0.0, -500.0, 0.0], requires_grad=True)
        log_p0 = torch.tensor([-500.0, 0.0, 0.0])
        for objective in (token_kl, constrained_sft):
            loss = objective(log_p, log_p0, torch.full((3,), 100.0))
            (gradient,) = torch.autograd.grad(loss, log_p)
            assert torch.isfinite(loss)
            assert torch.isfinite(gradient).all()

    def test_a_small_beta_is_cross_entropy_and_a_large_one_holds_still(self) -> None:
        log_p, log_p0, _ = numbers(7)
        for beta, expected in ((1e-9, -torch.ones(40)), (1e9, -2.0 * (log_p < log_p0).float())):
            loss = token_kl(log_p, log_p0, torch.full((40,), beta, dtype=torch.float64))
            (gradient,) = torch.autograd.grad(loss, log_p)
            torch.testing.assert_close(gradient, expected.double(), rtol=1e-6, atol=1e-6)


class TestRows:
    @pytest.mark.parametrize("config", [KL, CONSTRAINED], ids=lambda config: config.name)
    def test_equals_the_formula_token_by_token(self, tmp_path: Path, config: Any) -> None:
        seed, model = toy_model(0), toy_model(1)  # very different models
        loss = METHODS[config.name].row_loss(ROWS, config, alone(tmp_path, model=seed))
        expected = dict(
            zip(("token_kl", "constrained_sft"), reference_losses(model, seed, ROWS, config), strict=True)
        )
        measured = loss(model, ROWS)
        assert measured.item() == pytest.approx(expected[config.name].item(), rel=1e-5)
        shuffled = [ROWS[3], ROWS[7], ROWS[0]]
        parts = loss(model, shuffled[:1]) + loss(model, shuffled[1:])
        assert loss(model, shuffled).item() == pytest.approx(parts.item(), rel=1e-5)

    @pytest.mark.parametrize("config", [KL, CONSTRAINED], ids=lambda config: config.name)
    def test_at_the_seed_model_the_gradient_is_that_of_vanilla(self, tmp_path: Path, config: Any) -> None:
        gradients = []
        for method in (config.name, "vanilla"):
            model = toy_model()
            context = alone(tmp_path, model=toy_model(), batch_size=len(ROWS))
            METHODS[method].row_loss(ROWS, config, context)(model, ROWS).backward()
            gradients.append([weight.grad for weight in model.parameters()])
        for first, second in zip(*gradients, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)

    def test_constrained_sft_at_the_seed_model_is_cross_entropy(self, tmp_path: Path) -> None:
        model = toy_model().to(torch.bfloat16)
        rows = sorted(ROWS, key=lambda row: len(row.prompt_ids) + len(row.answer_ids))
        context = alone(tmp_path, model=model, batch_size=len(rows))
        loss = METHODS["constrained_sft"].row_loss(rows, CONSTRAINED, context)
        # The same batch twice gives the same bits, so every weight is exactly 1.
        plain = supervised(vanilla.answer_loss, 0)(model, rows)
        assert loss(model, rows).item() == pytest.approx(plain.item(), rel=1e-6)

    @pytest.mark.parametrize("config", [KL, CONSTRAINED], ids=lambda config: config.name)
    def test_the_seed_model_runs_before_training_only(self, tmp_path: Path, config: Any) -> None:
        seed = Counting(toy_model())
        loss = METHODS[config.name].row_loss(ROWS, config, alone(tmp_path, model=seed))
        assert seed.rows == len(ROWS)
        for _ in range(2):
            loss(toy_model(1), ROWS).backward()
        assert seed.rows == len(ROWS)

    def test_a_batch_of_one_answer_token(self, tmp_path: Path) -> None:
        model = toy_model()
        row = Rendered((4, 5), (6,))
        loss = METHODS["token_kl"].row_loss([row], KL, alone(tmp_path, model=model))
        assert loss(model, [row]).item() == pytest.approx(2 / 0.5 * math.log(2), rel=1e-6)

    def test_rows_that_are_equal_share_their_reference(self, tmp_path: Path) -> None:
        rows = [ROWS[0], ROWS[1], ROWS[0]]
        ranks = Ranks(2, DiskCache(tmp_path), model=toy_model())
        for loss in ranks.run(lambda context: METHODS["token_kl"].row_loss(rows, KL, context)):
            assert loss(toy_model(1), rows).item() > loss(toy_model(1), rows[:2]).item()
