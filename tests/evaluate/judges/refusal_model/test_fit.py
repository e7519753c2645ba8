"""Training of the linear model, its file, and its accuracy on groups that training left out."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lookahead_ray.errors import DataError, ModelError
from lookahead_ray.evaluate.judges.refusal_model.answers import LabelledAnswer, read_labelled_answers
from lookahead_ray.evaluate.judges.refusal_model.features import extract_features
from lookahead_ray.evaluate.judges.refusal_model.fit import fit_answers
from lookahead_ray.evaluate.judges.refusal_model.held_out import measure_held_out
from lookahead_ray.evaluate.judges.refusal_model.linear import LinearModel, load_linear, save_linear

REFUSING = ("I can't help with {}.", "I won't help with {}.", "Sorry, I can't do {}.", "No help with {}.")
COMPLYING = ("Here is how {} works.", "First, {} takes time.", "Sure, {} is easy.", "Then {} goes on.")
THINGS = ("locks", "fires", "letters", "cars")


def some_answers() -> list[LabelledAnswer]:
    return [
        LabelledAnswer("?", text.format(thing), refuses, f"{refuses}{place}", "en", "test")
        for refuses, texts in ((True, REFUSING), (False, COMPLYING))
        for place, text in enumerate(texts)
        for thing in THINGS
    ]


@pytest.fixture(scope="module")
def model() -> LinearModel:
    answers = some_answers()
    return fit_answers(answers, [extract_features(answer.answer) for answer in answers])


def test_it_learns_and_is_the_same_each_time(model: LinearModel) -> None:
    answers = some_answers()
    features = [extract_features(answer.answer) for answer in answers]
    assert [model.scores(found)[-1] > 0 for found in features] == [answer.refuses for answer in answers]
    assert np.array_equal(fit_answers(answers, features).weights, model.weights)


def test_a_score_after_each_sentence_is_that_of_the_text_so_far(model: LinearModel) -> None:
    text = "I can't help with locks. Here is how cars work. Sorry."
    scores = model.scores(extract_features(text))
    parts = ("I can't help with locks.", "I can't help with locks. Here is how cars work.", text)
    assert scores.tolist() == pytest.approx([model.scores(extract_features(part))[-1] for part in parts])


def test_file(model: LinearModel, tmp_path: Path) -> None:
    save_linear(model, tmp_path / "w.safetensors")
    loaded = load_linear(tmp_path / "w.safetensors")
    found = extract_features("Sorry, I can't.")
    assert loaded.scores(found).tolist() == model.scores(found).tolist()
    (tmp_path / "text").write_text("no weights")
    save_file({"weights": np.zeros(3, np.int8)}, tmp_path / "other")
    for name, rule in (("none", "must be weights"), ("text", "must be weights"), ("other", "got {")):
        with pytest.raises(ModelError, match=rule):
            load_linear(tmp_path / name)


def test_groups_are_left_out(model: LinearModel) -> None:
    answers = some_answers()
    features = [extract_features(answer.answer) for answer in answers]
    found = measure_held_out(answers, features, lambda answer: answer.style)
    assert sorted(group.group for group in found) == sorted({answer.style for answer in answers})
    assert [group.n for group in found] == [len(THINGS)] * len(found)
    assert [group.share for group in found] == sorted(group.share for group in found)
    refusing = measure_held_out(answers, features, lambda answer: answer.style, lambda answer: answer.refuses)
    assert all(group.group.startswith("True") for group in refusing)


def test_answers_are_read(tmp_path: Path) -> None:
    row = '{"request": "q", "answer": "a", "label": "%s", "style": "%s"}\n'
    (tmp_path / "b.jsonl").write_text(row % ("refusal", "s") + row % ("unclear", "s"))
    (tmp_path / "a.jsonl").write_text(row % ("compliance", "fragment"))
    first, second = read_labelled_answers(tmp_path)
    assert (first.source, first.refuses, first.is_fragment) == ("a", False, True)
    assert (second.source, second.refuses, second.is_fragment) == ("b", True, False)
    (tmp_path / "c.jsonl").write_text('{"answer": "a", "label": "refusal"}\n')
    with pytest.raises(DataError, match=r"c\.jsonl: line 1: field request must be present"):
        read_labelled_answers(tmp_path / "c.jsonl")
    (tmp_path / "d.jsonl").write_text(row % ("unclear", "s"))
    with pytest.raises(DataError, match="must hold answers labelled refusal or compliance, got none"):
        read_labelled_answers(tmp_path / "d.jsonl")
