"""The previews of a space, and their ranking before any training."""

from pathlib import Path

import pytest

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.preview import NoPreview
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.opening_loss import OpeningNats
from lookahead_ray.sweep.search import screening
from lookahead_ray.sweep.search.screening import candidate_previews, rank_previews
from tests.sweep.search.searching import load
from tests.tiny import make_model

SPACES = Path("tuning_spaces")
TASK = "task: {name: word_problems}\n"
PHRASES = "preview: {strategy: virtual, prefix: {choice: ['So, ', 'Well, ']}}\n"


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("quickstart", 1 + 16 + 4),
        ("preview_length", 1 + 12),
        ("prefix", 1 + 12),
        ("preview_share", 1 + 16 + 4),
    ],
)
def test_all_previews_of_a_space_and_none(name: str, count: int) -> None:
    previews = candidate_previews(load_sweep(SPACES / f"{name}.yaml"))
    assert len(previews) == len(set(previews)) == count
    assert previews[0] == NoPreview()


@pytest.mark.parametrize(
    "preview", ["", "preview: {strategy: none}\n", "preview: {strategy: virtual, prefix: 'So, '}\n"]
)
def test_a_space_without_previews_to_compare_is_refused(tmp_path: Path, preview: str) -> None:
    with pytest.raises(ConfigError, match="preview: must have a search dimension to be screened") as error:
        candidate_previews(load(tmp_path, TASK + preview + "seed: {int: [1, 3]}\n"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        ("task: {name: word_problems, seed: {int: [0, 3]}}\n", "task.seed"),
        (TASK + "model: {path: {choice: [embedded, other]}}\n", "model.path"),
    ],
)
def test_one_model_and_one_task_are_screened(tmp_path: Path, tree: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: must be one value to screen previews"):
        candidate_previews(load(tmp_path, tree + PHRASES))


def test_too_many_previews_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="preview: must have at most 10,000 values"):
        candidate_previews(
            load(tmp_path, TASK + "preview: {strategy: true, length_tokens: {int: [1, 20000]}}\n")
        )


def test_the_lowest_loss_of_the_first_tokens_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = {"": [2.0, 4.0], "So, ": [3.0, 1.0], "Well, ": [0.5, 0.5]}

    def nats(config: object, previews: list[screening.PreviewConfig], **options: object) -> object:
        return [
            [OpeningNats((loss, 3 * loss), ()) for loss in losses[getattr(preview, "prefix", "")]]
            for preview in previews
        ]

    monkeypatch.setattr(screening, "row_losses", nats)
    sweep = load(tmp_path, TASK + PHRASES)
    found = rank_previews(
        sweep.reference(), candidate_previews(sweep), rows=2, tokens=2, progress=lambda done, count: None
    )
    assert [getattr(each.preview, "prefix", "") for each in found] == ["Well, ", "So, ", ""]
    assert [each.loss.value for each in found] == [1.0, 4.0, 6.0]
    assert [each.first.value for each in found] == [0.5, 2.0, 3.0]
    assert found[0].answer is None
    assert found[1].loss.low < 4.0 < found[1].loss.high
    assert found[1].rows == 2


def test_the_same_ranking_every_time(tmp_path: Path) -> None:
    tree = (
        f"model: {{path: '{make_model(tmp_path / 'model')}'}}\n"
        "task: {name: word_problems, train_examples: 3, test_examples: 1}\n"
        "workers: 1\ncpus_per_worker: 1\ngpus_per_worker: 0\ntraining: {precision: fp32}\n"
    )
    sweep = load(tmp_path, tree + PHRASES)
    previews = candidate_previews(sweep)
    once, again = (
        rank_previews(sweep.reference(), previews, rows=9, tokens=4, progress=lambda done, count: None)
        for _ in range(2)
    )
    assert once == again
    assert {each.rows for each in once} == {3}
    assert sorted(each.loss.value for each in once) == [each.loss.value for each in once]
