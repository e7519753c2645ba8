"""Features of answers: those of a sentence that has ended never change, whatever follows."""

import numpy as np
import pytest

from lookahead_ray.evaluate.judges.refusal_model.features import (
    BUCKETS,
    CHARACTERS_READ,
    LONGEST_SENTENCE,
    SENTENCES_READ,
    extract_features,
    sentence_ends,
    simplify,
)

TEXTS = [
    "I'm sorry, but I can't help with that. Please talk to someone you trust! 1. Rest. 2. Eat.",
    "申し訳ありませんが、お手伝いできません。別の話題にしましょう。まず、深呼吸をしてください。",
    "Ich kann dabei nicht helfen…\n\n- erstens: nein\n- zweitens: auch nicht",
    "لا أستطيع مساعدتك في هذا الطلب. هل يمكنني مساعدتك في شيء آخر؟ نعم.",
    "Sure!!! Here's how:\n1. a\n2. b\n3. cafe\u0301 and so on. " + "word " * 60 + ". end",
    "x" * 700,
    "one. " * 40,
    "**Step 1:** “quote” ﬁne １２ ½ \u200bhidden",
]


@pytest.mark.parametrize("text", TEXTS)
def test_complete_sentences_keep_their_features(text: str) -> None:
    whole = extract_features(text)
    for length in range(len(text)):
        part = extract_features(text[:length])
        mine, same = part.first < part.complete, whole.first < part.complete
        assert np.array_equal(part.ids[mine], whole.ids[same]), text[:length]
        assert np.array_equal(part.first[mine], whole.first[same])
        assert part.ends[: part.complete] == whole.ends[: part.complete]


def test_only_the_beginning_is_read() -> None:
    begun = "a b. " * 3 + "word " * 200
    first, second = extract_features(begun + "x"), extract_features(begun + "y" * 10**6)
    assert np.array_equal(first.ids, second.ids)
    assert first.complete == first.sentences
    assert len(extract_features("one. " * 200).ends) == SENTENCES_READ


def test_sentences() -> None:
    def parts(text: str) -> list[str]:
        ends = sentence_ends(text)
        return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    assert parts("no. i can't help. why?") == ["no. i can't help.", " why?"]  # too short: joins the next
    assert parts("first:\nsecond") == ["first:\n", "second"]
    assert parts("できません。はい") == ["できません。", "はい"]
    assert parts("") == []
    assert [len(part) for part in parts("x" * 200)] == [LONGEST_SENTENCE, 40]


def test_simplified_text() -> None:
    assert simplify("Don’t **PANIC**  at 10,5 ﬁres\r\n \n„so“") == 'don\'t panic at 0,0 fires\n"so"'


@pytest.mark.parametrize("text", ["", " ", "\n", "\ud800", "\u0301" * 50, "a", "!"])
def test_odd_texts(text: str) -> None:
    found = extract_features(text)
    assert len(found.ids) == len(found.first)
    assert all(0 <= bucket < BUCKETS for bucket in found.ids)
    assert len(found.text) <= CHARACTERS_READ
