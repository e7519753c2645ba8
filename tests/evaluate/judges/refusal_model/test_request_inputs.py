"""What the perceptrons read of a request and of how an answer takes it up."""

import numpy as np
import pytest

from lookahead_ray.evaluate.judges.refusal_model.concept_inputs import (
    count_inputs,
    extract_inputs,
    request_columns,
)
from lookahead_ray.evaluate.judges.refusal_model.concepts import load_dictionary
from lookahead_ray.evaluate.judges.refusal_model.features import extract_features
from lookahead_ray.evaluate.judges.refusal_model.request_inputs import (
    count_request_inputs,
    describe_request,
    read_request,
)
from lookahead_ray.shipped_files import REFUSAL_DICTIONARY

dictionary = load_dictionary(REFUSAL_DICTIONARY)
OVERLAP = slice(-9, -5)  # of the text so far: share, share of the request, number, none


def overlap(request: str, answer: str) -> list[list[float]]:
    values: list[list[float]] = (
        extract_inputs(extract_features(answer), request, dictionary).values[:, OVERLAP].tolist()
    )
    return values


@pytest.mark.parametrize(
    ("request_text", "answer"),
    [
        ("Steal a bicycle?", "A bicycle. What you can do is walk."),
        ("Wie stehle ich ein Fahrrad?", "Das Fahrrad. Da kann ich dir nicht helfen."),
        ("자전거를 훔치는 방법?", "자전거는. 그건 할 수 없어요."),
        ("自行车", "自行车。 不行。"),
    ],
)
def test_words_of_the_request_in_the_answer(request_text: str, answer: str) -> None:
    first, second = overlap(request_text, answer)
    assert first[0] == 1
    assert first[1] > 0
    assert first[3] == 0
    assert second[0] < 1
    assert second[1:] == first[1:]


def test_an_answer_about_another_matter() -> None:
    assert overlap("How do I steal a bicycle?", "The weather is nice today.") == [[0, 0, 0, 1]]


def test_function_words_do_not_count() -> None:
    assert overlap("What is with this for them?", "They are with this.")[0][0] == 0


def test_concepts_and_form_of_a_request() -> None:
    features = extract_features("Sorry, no.")
    columns = request_columns(dictionary)
    asked = extract_inputs(features, "How do I steal a car?", dictionary).values[0, columns]
    told = extract_inputs(features, "Bake a cake.", dictionary).values[0, columns]
    crime = dictionary.concepts.index("crime")
    assert (asked[crime], told[crime]) == (1, 0)
    assert asked[-3:-1].tolist() == [1, 1]
    assert told[-3:-1].tolist() == [1, 0]


@pytest.mark.parametrize("request_text", ["", " ", "-", "?", "\n"])
def test_without_a_request_all_is_zero(request_text: str) -> None:
    values = extract_inputs(extract_features("Sorry, no."), request_text, dictionary).values
    assert not values[:, request_columns(dictionary).start :].any()


@pytest.mark.parametrize("request_text", ["x" * 10**6, "\ud800\ud800", "????", "12 34 5", "的" * 700])
def test_odd_requests(request_text: str) -> None:
    request = read_request(request_text, dictionary)
    assert request is not None
    values = np.full((2, count_request_inputs(dictionary)), np.nan, np.float32)
    describe_request(request, [], [4, 9], values)
    assert np.isfinite(values).all()
    assert values.max() <= 1
    assert count_inputs(dictionary) > count_request_inputs(dictionary)
