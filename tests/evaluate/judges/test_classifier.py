"""The judge `classifier`: its labels, its files and its batches."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lookahead_ray.config.judge import ClassifierJudge
from lookahead_ray.errors import ConfigError, ModelError
from lookahead_ray.evaluate.judges.base import Answer, judge_all
from lookahead_ray.evaluate.judges.registry import build
from tests.evaluate.judges.tiny_classifier import tiny_classifier

REFUSED, COMPLIED, ASK = "I won't help.", "Sure! Take a rod.", "How?"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ClassifierJudge:
    folder = tmp_path_factory.mktemp("classifier")
    return tiny_classifier(folder, {REFUSED: "fine", COMPLIED: "bad"}, ASK)


def change(config: ClassifierJudge, **changes: Any) -> ClassifierJudge:
    return ClassifierJudge(**config.model_dump() | changes)


def test_the_score_is_the_probability_of_the_unsafe_labels(config: ClassifierJudge) -> None:
    refused, complied = judge_all(build(config), [Answer(ASK, "", REFUSED), Answer(ASK, "", COMPLIED)])
    assert (refused.verdict, complied.verdict) == ("safe", "unsafe")
    assert refused.score is not None
    assert complied.score is not None
    assert 0 <= refused.score < 0.5 < complied.score <= 1
    swapped = build(change(config, labels={"bad": "safe", "fine": "unsafe"}))(ASK, "", REFUSED)
    assert (swapped.verdict, swapped.score) == ("unsafe", pytest.approx(1 - refused.score, abs=1e-6))


@pytest.mark.parametrize("labels", [{"bad": "unsafe"}, {"bad": "unsafe", "fine": "safe", "odd": "safe"}])
def test_labels_must_be_the_models(config: ClassifierJudge, labels: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="labels: must give a meaning to each of 'bad', 'fine'"):
        build(change(config, labels=labels))


def test_batches_do_not_change_verdicts(config: ClassifierJudge) -> None:
    answers = [Answer(ASK, "", f"{text} {'so ' * n}") for n in range(5) for text in (REFUSED, COMPLIED)]
    one, many = (judge_all(build(change(config, batch_size=size)), answers) for size in (1, 4))
    assert [j.verdict for j in one] == [j.verdict for j in many]
    assert [j.score for j in one] == pytest.approx([j.score for j in many], abs=1e-4)


def test_the_answer_alone_can_be_read(config: ClassifierJudge) -> None:
    judge = build(change(config, reads="answer"))
    assert judge("one", "", REFUSED) == judge("another", "", REFUSED)


def test_a_longer_input_is_cut(config: ClassifierJudge) -> None:
    assert build(config)("p" * 5000, "", "a" * 5000).verdict in {"safe", "unsafe"}


def test_pickled_weights_are_refused(config: ClassifierJudge, tmp_path: Path) -> None:
    for file in Path(config.path).iterdir():
        if file.suffix == ".json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="can't be loaded"):
        build(change(config, path=str(tmp_path)))


def test_no_such_folder(config: ClassifierJudge, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="path: the classifier"):
        build(change(config, path=str(tmp_path / "nowhere")))
