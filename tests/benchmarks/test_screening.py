"""Rank correlations of the losses before training with the results after it."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from typer.testing import CliRunner

from benchmarks.screening import __main__ as screening
from benchmarks.screening.__main__ import app
from benchmarks.screening.ranks import effects_of, rank, spearman
from benchmarks.screening.trainings import Training, read_trainings
from benchmarks.search.extract import GRID, SPACE
from lookahead_ray.config.preview import NoPreview, PreviewConfig, TruePreview
from lookahead_ray.evaluate.opening_loss import OpeningNats


def true(length: int) -> PreviewConfig:
    return TruePreview(strategy="true", length_tokens=length)


def training(length: int, setting: str, rsr: float) -> Training:
    return Training(true(length) if length else NoPreview(), setting, {"rsr": rsr})


def test_rho_is_scipys_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, 12).astype(float)
    y = x + rng.normal(size=12)
    found = spearman(list(x), list(y))
    assert found.value == pytest.approx(spearmanr(x, y).statistic)
    assert found.low < found.value < found.high
    assert spearman(list(x), list(y)) == found
    assert spearman([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 90.0]).low == 1.0


def test_results_are_compared_within_the_same_other_settings() -> None:
    trainings = [
        training(1, "fast", 0.2),
        training(2, "fast", 0.4),
        training(1, "slow", 0.7),
        training(2, "slow", 0.9),
        training(3, "slow", 0.8),
        training(3, "alone", 0.1),
    ]
    effects = effects_of(trainings, "rsr")
    assert effects == {true(1): pytest.approx(-0.1), true(2): pytest.approx(0.1), true(3): pytest.approx(0.0)}
    assert effects_of(trainings, "mean_kl") == {}


def test_plain_fine_tuning_is_counted_separately() -> None:
    previews = [NoPreview(), *(true(length) for length in range(1, 6))]
    nats = [[OpeningNats((float(loss),) * 8, (1.0,) * 8)] for loss in (9, 1, 2, 3, 4, 5)]
    trainings = [training(length, "s", 0.9 - 0.1 * length) for length in range(1, 6)]
    ranks = rank(previews, nats, [*trainings, training(0, "s", 0.95)])
    first = [each for each in ranks if (each.part, each.tokens) == ("trained", 4)]
    assert [(each.with_none, each.n) for each in first] == [(False, 5), (True, 6)]
    assert first[0].rho == pytest.approx(-1.0)
    assert first[1].rho > -1.0


def test_the_recorded_grid_has_its_previews_and_no_kl_by_token() -> None:
    config, trainings = read_trainings(str(GRID), SPACE)
    previews = {each.preview for each in trainings}
    assert config.preview in previews
    assert len(previews) >= 8
    assert len(trainings) == len({(each.preview, each.setting) for each in trainings})
    assert {name for each in trainings for name in each.results} <= {"mean_kl", "rsr"}


def test_the_command_prints_the_correlations_and_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losses(config: object, previews: list[PreviewConfig], **options: object) -> list[list[OpeningNats]]:
        return [
            [OpeningNats((float(index),) * 8, (1.0 + index,) * 8)] * 2 for index, _ in enumerate(previews)
        ]

    monkeypatch.setattr(screening, "row_losses", losses)
    found = CliRunner().invoke(app, [str(GRID), "--out", str(tmp_path)])
    assert found.exit_code == 0, found.output
    assert "mean KL" in found.output
    (written,) = tmp_path.glob("screening-*.json")
    content = json.loads(written.read_text(encoding="utf-8"))
    assert len(content["previews"]) >= 8
    assert {each["outcome"] for each in content["ranks"]} == {"mean_kl", "rsr"}


def test_a_missing_run_is_one_line(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, [str(tmp_path / "none")])
    assert found.exit_code == 1
    assert found.output.count("\n") == 1
    assert found.output.startswith("error: ")
