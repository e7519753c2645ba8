"""The judge `classifier`: its labels, its files and its batches."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lookahead_ray.config.judge import ClassifierJudge
from lookahead_ray.errors import ConfigError, ModelError
from lookahead_ray.evaluate.judges.base import Answer, judge_all
from lookahead_ray.evaluate.judges.registry import build, check_judge
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


def strip(
    config: ClassifierJudge, folder: Path, *names: str, architecture: str | None = None
) -> ClassifierJudge:
    """Copy the model to `folder` without the tensors `names`, under another architecture's name."""
    for file in Path(config.path).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if name not in names}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((folder / "config.json").read_text())
    settings["architectures"] = [architecture or settings["architectures"][0]]
    (folder / "config.json").write_text(json.dumps(settings))
    return change(config, path=str(folder))


def test_a_causal_model_is_refused(config: ClassifierJudge, tmp_path: Path) -> None:
    causal = strip(config, tmp_path, "score.weight", architecture="LlamaForCausalLM")
    rule = r"\(LlamaForCausalLM\) has no trained classification head: its weights lack score.weight; use the"
    for use in (check_judge, build):
        with pytest.raises(ModelError, match=f"^path: .*{rule} judge guard$"):
            use(causal)
    guessed = change(causal, labels={"LABEL_0": "safe", "LABEL_1": "unsafe"})
    with pytest.raises(ModelError, match="use the judge guard"):
        check_judge(guessed)


def test_a_head_that_was_not_saved_is_refused(config: ClassifierJudge, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"its weights lack score.weight; use a model trained for sequence"):
        check_judge(strip(config, tmp_path, "score.weight"))


def test_any_other_untrained_weight_is_refused(config: ClassifierJudge, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"its weights lack model\.norm\.weight"):
        build(strip(config, tmp_path, "model.norm.weight"))


def test_a_checkpoint_with_a_head_under_a_causal_name_is_used(
    config: ClassifierJudge, tmp_path: Path
) -> None:
    named = strip(config, tmp_path, architecture="LlamaForCausalLM")
    check_judge(named)
    assert build(named)(ASK, "", REFUSED).verdict == "safe"


def test_the_check_loads_no_weights_and_finds_labels(
    config: ClassifierJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safetensors.safe_open", None)
    check_judge(config)
    with pytest.raises(ConfigError, match="labels: must give a meaning to each of 'bad', 'fine'"):
        check_judge(change(config, labels={"bad": "unsafe"}))


def test_an_architecture_without_classifier_is_refused(config: ClassifierJudge, tmp_path: Path) -> None:
    made = strip(config, tmp_path)
    settings = {"model_type": "clip", "architectures": ["CLIPModel"]}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=r"CLIPModel.* has no classification head"):
        check_judge(made)


def test_no_such_folder(config: ClassifierJudge, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="path: the classifier"):
        build(change(config, path=str(tmp_path / "nowhere")))
