"""The dictionary of concepts: how entries match, and that a sentence's concepts depend on nothing later."""

from pathlib import Path

import numpy as np
import pytest

from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.judges.refusal_model.concept_inputs import count_inputs, extract_inputs
from lookahead_ray.evaluate.judges.refusal_model.concepts import ConceptDictionary, load_dictionary
from lookahead_ray.evaluate.judges.refusal_model.features import extract_features, sentence_ends
from lookahead_ray.shipped_files import REFUSAL_DICTIONARY
from tests.evaluate.judges.refusal_model.test_features import TEXTS

REQUEST = "How can I help with können 料理? ขอวิธีช่วยได้ไหม"
SMALL = """@ xx Example
help: help*
cannot: can_not cannot
can: can
law: illegal
@ yy Other
help: aid *aider *sist*
can: puis
@ zz Unspaced 一-鿿
help: 帮助 帮
cannot: 不能
not: 不
"""


def concepts_of(text: str, dictionary: ConceptDictionary) -> list[tuple[int, str]]:
    found = dictionary.find(text, sentence_ends(text))
    return [(sentence, dictionary.concepts[concept]) for sentence, concept in found.found]


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("i can not help.", ["cannot", "help"]),  # a phrase has the concepts of no word in it
        ("i can help", ["can", "help"]),
        ("helpful, helping", ["help", "help"]),
        ("canned illegally", ["law"]),  # short entries are whole words, longer ones beginnings
        ("je puis t'aider, l'assistance", ["can", "help", "help"]),
        ("我不能帮助", ["cannot", "help"]),
        ("unknown words alone", []),
    ],
)
def test_entries(text: str, concepts: list[str]) -> None:
    assert [concept for _, concept in concepts_of(text, ConceptDictionary(SMALL))] == concepts


def test_a_language_can_be_left_out() -> None:
    assert concepts_of("i cannot help.", ConceptDictionary(SMALL, {"xx"})) == []
    assert ConceptDictionary(SMALL, {"xx"}).concepts == ConceptDictionary(SMALL).concepts


def test_each_sentence_has_its_own() -> None:
    assert concepts_of("i can. oh no. you cannot. help!", ConceptDictionary(SMALL)) == [
        (0, "can"),
        (2, "cannot"),
        (3, "help"),
    ]


@pytest.mark.parametrize(
    ("language", "text", "concepts"),
    [
        ("kn", "ಕ್ಷಮಿಸಿ, ನಾನು ಇದಕ್ಕೆ ಸಹಾಯ ಮಾಡಲು ಸಾಧ್ಯವಿಲ್ಲ.", {"sorry", "i", "help", "cannot"}),
        (
            "uz",
            "kechirasiz, men bunga yordam bera olmayman, bu qonunga zid.",
            {"sorry", "i", "cannot", "law"},
        ),
        ("ga", "tá brón orm, ach ní féidir liom cabhrú leat leis sin.", {"sorry", "but", "cannot", "help"}),
        ("km", "សូមអភ័យទោស ខ្ញុំមិនអាចជួយបានទេ។", {"sorry", "i", "cannot", "help"}),
        ("am", "ይቅርታ፣ በዚህ ልረዳዎት አልችልም።", {"sorry", "help", "cannot"}),
    ],
)
def test_languages_without_training_data(language: str, text: str, concepts: set[str]) -> None:
    dictionary = load_dictionary(REFUSAL_DICTIONARY)
    ends = sentence_ends(text)
    assert dictionary.languages[dictionary.find(text, ends).languages[-1]] == language
    assert concepts <= {concept for _, concept in concepts_of(text, dictionary)}


def test_the_shipped_dictionary_is_whole() -> None:
    dictionary = load_dictionary(REFUSAL_DICTIONARY)
    assert len(dictionary.languages) == len(set(dictionary.languages)) >= 80
    assert len(dictionary.concepts) >= 50


@pytest.mark.parametrize(
    "text", [*TEXTS, "können " * 22 + "kann nicht helfen. und nun?", "ไม่สามารถช่วยได้ครับ " * 9]
)
def test_inputs_of_complete_sentences_stay(text: str) -> None:
    dictionary = load_dictionary(REFUSAL_DICTIONARY)
    whole = extract_inputs(extract_features(text), REQUEST, dictionary)
    assert whole.values.shape[1] == count_inputs(dictionary)
    for length in range(1, len(text)):
        features = extract_features(text[:length])
        if features.sentences:
            part = extract_inputs(features, REQUEST, dictionary)
            n = features.complete
            assert np.array_equal(part.values[:n], whole.values[:n]), text[:length]
            assert np.array_equal(part.known[:n], whole.known[:n])


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="must be the dictionary of the judge refusal"):
        load_dictionary(tmp_path / "none")
