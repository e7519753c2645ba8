"""Beginnings of answers that can stand before other answers."""

import pytest

from lookahead_ray.preview.common_openings import OpeningAnswer, openings

NAMES = ("Mia", "Ben", "Ida", "Tom", "Eve", "Max", "Zoe", "Leo")


def asked(*texts: str, finished: bool = False) -> list[OpeningAnswer]:
    """Return answers to questions, with "how many" and "does" in common, and individual names and things."""
    return [
        OpeningAnswer(f"How many things{index} does {name} have?", text, finished)
        for index, (name, text) in enumerate(zip(NAMES, texts, strict=False))
    ]


def test_the_frequent_come_first() -> None:
    answers = asked("Well, no. a", "Sure! b", "Well, no. c", "Sure! d", "Sure! e", "Oh dear. f")
    assert openings(answers) == ["Sure! ", "Well, no. "]


def test_a_sentence_ends_an_opening() -> None:
    assert openings(asked("Sure! Here it is", "Sure! Here it was")) == ["Sure! "]
    assert openings(asked("Like this:\nfirst", "Like this:\nsecond")) == ["Like this: "]
    assert openings(asked("Step one\nadd the", "Step one\nadd a")) == ["Step one "]
    assert openings(asked("当然！我们", "当然！你们")) == ["当然！ "]


def test_an_opening_needs_several_answers() -> None:
    answers = asked("To find the sum, add", "To find the rest, take", "Quite another thing is")
    assert openings(answers) == ["To find the "]
    assert openings(asked("One thing is", "Other things are")) == []
    assert openings([]) == []


def test_a_single_word_is_one_only_as_a_sentence() -> None:
    assert openings(asked("The sum is", "The rest was")) == []
    assert openings(asked("Sure. The", "Sure. A")) == ["Sure. "]
    assert openings(asked("Sure. The", "Sure, the sum")) == []


def test_words_of_the_question_are_left_out() -> None:
    answers = [
        OpeningAnswer(f"{name} buys {index} plums. How many?", "", False) for index, name in enumerate(NAMES)
    ]
    said = [f"First we see that {name}'s plums are" for name in NAMES]
    both = [
        OpeningAnswer(each.question, text, False)
        for each, text in zip([*answers, *answers], [*said, *said], strict=True)
    ]
    assert openings(both) == ["First we see that "]


def test_words_of_the_task_may_be_said() -> None:
    answers = asked("To find how many things she", "To find how many apples he")
    assert openings(answers) == ["To find how many "]


@pytest.mark.parametrize("number", ["12", "3.5", "x2", "٣", "1st"])
def test_numbers_are_left_out(number: str) -> None:
    assert openings(asked(f"This makes {number} of them", f"This makes {number} of these")) == ["This makes "]


def test_the_word_in_which_an_answer_was_cut_is_left_out() -> None:
    assert openings(asked("We have to multi", "We have to multi")) == ["We have to "]
    assert openings(asked("We have to wait", "We have to wait", finished=True)) == ["We have to wait "]


def test_variations_of_one_opening_are_one() -> None:
    answers = asked(
        "To solve this we need some apples",
        "to  solve this we need more pears",
        "To solve this, we need two words",
        "To solve this we need two weeks",
        "To solve this, some ways",
        "To solve this, some means",
        "Now then. A",
        "Now then. B",
    )
    assert openings(answers) == ["To solve this we need ", "To solve this, some ", "Now then. "]


def test_a_truncated_opening_is_not_another_opening() -> None:
    answers = asked(
        "We can add all plums", "We can add all pens", "We can add all the", "We can Tom", "We can Eve"
    )
    assert openings(answers) == ["We can add all "]
