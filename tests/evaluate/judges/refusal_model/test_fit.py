"""Training of the model, its file, and its accuracy on groups that training left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lookahead_ray.errors import DataError, ModelError
from lookahead_ray.evaluate.judges.refusal_model.answers import LabelledAnswer, read_labelled_answers
from lookahead_ray.evaluate.judges.refusal_model.concepts import ConceptDictionary, load_dictionary
from lookahead_ray.evaluate.judges.refusal_model.features import extract_features
from lookahead_ray.evaluate.judges.refusal_model.fit import (
    BALANCED,
    ReadAnswer,
    balance_requests,
    fit_answers,
    read_answers,
)
from lookahead_ray.evaluate.judges.refusal_model.held_out import measure_held_out
from lookahead_ray.evaluate.judges.refusal_model.model import (
    RefusalModel,
    load_refusal_model,
    save_refusal_model,
)
from lookahead_ray.shipped_files import REFUSAL_DICTIONARY

REFUSING = ("I can't help with {}.", "I won't help with {}.", "Sorry, I can't do {}.", "No help with {}.")
COMPLYING = ("Here is how {} works.", "First, {} take time.", "Sure, {} is easy.", "Then {} goes on.")
THINGS = ("locks", "fires", "letters", "cars")


dictionary = load_dictionary(REFUSAL_DICTIONARY)
EMPTY = "@ xx Nothing\n" + "\n".join(f"{concept}: zzzz" for concept in dictionary.concepts)


def some_answers() -> list[ReadAnswer]:
    answers = [
        LabelledAnswer("?", text.format(thing), refuses, f"{refuses}{place}", "en", "test")
        for refuses, texts in ((True, REFUSING), (False, COMPLYING))
        for place, text in enumerate(texts)
        for thing in THINGS
    ]
    return read_answers(answers, dictionary)


@pytest.fixture(scope="module")
def model() -> RefusalModel:
    return fit_answers(some_answers(), dictionary)


def test_it_learns_and_is_the_same_each_time(model: RefusalModel) -> None:
    answers = some_answers()
    again = fit_answers(answers, dictionary)
    for each in answers:
        assert (model.read(each.features).scores[-1] > 0) == each.answer.refuses
        assert (model.linear.scores(each.features)[-1] > 0) == each.answer.refuses
    assert np.array_equal(again.linear.weights, model.linear.weights)
    assert np.array_equal(again.seen.hidden, model.seen.hidden)
    assert np.array_equal(again.new.hidden, model.new.hidden)


def test_a_score_after_each_sentence_is_that_of_the_text_so_far(model: RefusalModel) -> None:
    text = "I can't help with locks. Here is how cars work. Sorry."
    scores = model.read(extract_features(text)).scores
    parts = ("I can't help with locks.", "I can't help with locks. Here is how cars work.", text)
    alone = [model.read(extract_features(part)).scores[-1] for part in parts]
    assert scores.tolist() == pytest.approx(alone, abs=1e-5)


def test_a_language_that_only_the_dictionary_knows(model: RefusalModel) -> None:
    for text in ("Ich kann dir dabei nicht helfen.", "Nemohu vám s tím pomoct."):
        features = extract_features(text)
        reading = model.read(features)
        assert reading.known[-1]
        assert reading.scores[-1] > 0
        without = replace(model, dictionary=ConceptDictionary(EMPTY))
        assert not without.read(features).known[-1]


def test_a_request_alone_says_nothing() -> None:
    """Of one kind of requests three quarters are refused, of the other a quarter; some are unknown."""
    requests = np.array([[1, 0]] * 40 + [[0, 1]] * 40 + [[0, 0]] * 5, np.float32)
    refuses = np.array(([True] * 30 + [False] * 10) + ([False] * 30 + [True] * 10) + [True] * 5)
    factors = balance_requests(requests, refuses, np.ones(85))
    assert factors[80:].tolist() == [1] * 5
    for kind in (slice(40), slice(40, 80)):
        weights, refused = factors[kind], refuses[kind]
        assert weights[refused].sum() == pytest.approx(weights[~refused].sum(), rel=0.05)
    assert BALANCED[0] <= factors.min() < 1 < factors.max() <= BALANCED[1]
    assert balance_requests(np.zeros((2, 3), np.float32), refuses[:2], np.ones(2)).tolist() == [1, 1]


def test_file(model: RefusalModel, tmp_path: Path) -> None:
    save_refusal_model(model, tmp_path / "w.safetensors")
    loaded = load_refusal_model(tmp_path / "w.safetensors")
    found = extract_features("Sorry, I can't.")
    assert loaded.read(found).scores.tolist() == pytest.approx(model.read(found).scores.tolist(), abs=0.01)
    (tmp_path / "text").write_text("no weights")
    save_file({"weights": np.zeros(3, np.int8)}, tmp_path / "other")
    for name, rule in (("none", "must be weights"), ("text", "must be weights"), ("other", "got {")):
        with pytest.raises(ModelError, match=rule):
            load_refusal_model(tmp_path / name)


def test_groups_are_left_out() -> None:
    answers = some_answers()
    both = measure_held_out(
        answers,
        [lambda left_out: dictionary, lambda left_out: ConceptDictionary(EMPTY)],
        lambda answer: answer.style,
    )
    assert len(both) == 2
    for refusals, compliances in both:
        assert sorted(group.group for group in refusals) == ["True0", "True1", "True2", "True3"]
        assert sorted(group.group for group in compliances) == ["False0", "False1", "False2", "False3"]
        for groups in (refusals, compliances):
            assert [group.n for group in groups] == [len(THINGS)] * len(groups)
            assert [group.share for group in groups] == sorted(group.share for group in groups)
    assert both[0] != both[1]


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
