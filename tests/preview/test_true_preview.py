"""Texts shown by a true preview: as published, corrected, and in batches."""

import random
import re
from typing import Any

import pytest

from lookahead_ray.config.base import Fidelity
from lookahead_ray.errors import ModelError
from lookahead_ray.preview import true_preview
from lookahead_ray.preview.token_boundaries import beginning, may_cut, split_at_boundaries
from lookahead_ray.preview.true_preview import number_end, shown_text, shown_texts
from tests.preview.bpe import CUTTABLE, KINDS, TEXT

ODD = [
    "",
    " ",
    "\n",
    "   three spaces first",
    "\n\n  - a list",
    "12",
    "1234567890" * 30 + " is long",
    "-5 degrees",
    "3.14159 and 1,234,567.89 and 6e23.",
    "Weng earns 12/60 = $<<12/60=0.2>>0.2 per minute.",
    "٣٤٥٦ is a number too, and so is １２３",
    "👩‍👩‍👧 family, 🇩🇪 flag, \N{COMBINING ACUTE ACCENT}mark",
    "日本語のテスト。ここには空白がない。" * 20,
    "a" * 5000,
    "word " * 3000,
    "e\u0301 decomposed e\u0301 again and again and again and again",
    "\ufffd\ufffd replacement",
    "It ends in <|im_end|>. Or <|im_end|> here, <|endoftext|>",
    "don't they're we'll 'tis 'S",
    "tabs\tand\r\nlines\x1c\x85\xa0\u2028\u3000end",
    "EARNS 12 earns 12 earns  12",
    "x" * 47 + " y" * 50,
    ("ab  " * 40) + "\n",
]
LENGTHS = (1, 2, 3, 6, 12, 50)


def answers(count: int = 150) -> list[str]:
    """Return odd texts and random mixtures, the same in each run."""
    draw = random.Random(6)
    pieces = [*"abzE 19.,-+'<>\n\t€é👩あ", "12", " 7", " the", "'re", "  ", "<|im_end|>", *TEXT]
    return ODD + ["".join(draw.choices(pieces, k=draw.randint(1, 60))) for _ in range(count)]


@pytest.fixture(scope="module", params=KINDS, ids=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, KINDS[request.param]()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return KINDS["smollm"]()


@pytest.mark.parametrize("protocol", ["paper", "fixed"])
def test_batches_give_what_single_answers_give(kind: tuple[str, Any], protocol: Fidelity) -> None:
    name, tokenizer = kind
    texts = answers()
    assert true_preview._has_batches(tokenizer)
    assert may_cut(tokenizer.backend_tokenizer) == (name in CUTTABLE)
    for length in LENGTHS:
        assert shown_texts(tokenizer, texts, length, protocol) == [
            shown_text(tokenizer, text, length, protocol) for text in texts
        ]


def test_paper_is_what_the_published_code_does(kind: tuple[str, Any]) -> None:
    _, tokenizer = kind
    for text in answers():
        ids = tokenizer.encode(text, add_special_tokens=False)[:6]
        decoded = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert shown_text(tokenizer, text, 6, "paper") == decoded


def test_fixed_shows_no_part_of_a_number_or_character(kind: tuple[str, Any]) -> None:
    name, tokenizer = kind
    for text in answers():
        before = 0
        for length in LENGTHS:
            preview = shown_text(tokenizer, text, length, "fixed")
            assert text.startswith(preview)
            rest = text[len(preview) :]
            assert not (re.search(r"\d\Z", preview) and re.match(r"[.,]?\d", rest)), (preview, rest[:9])
            assert not (re.search(r"\d[.,]\Z", preview) and re.match(r"\d", rest)), (preview, rest[:9])
            assert not (re.search(r"(\A|\s)[-+]\Z", preview) and re.match(r"\d", rest)), (preview, rest[:9])
            assert len(preview) >= before
            before = len(preview)
            # Llama 2's first token can be the space that the tokenizer itself puts in front.
            assert bool(preview) == bool(text) or name == "llama2"


def test_fixed_shows_all_that_paper_shows_and_no_more_than_the_number(tokenizer: Any) -> None:
    for text in answers():
        for length in LENGTHS:
            paper = shown_text(tokenizer, text, length, "paper")
            fixed = shown_text(tokenizer, text, length, "fixed")
            if text.startswith(paper):
                more = fixed.removeprefix(paper)
                assert fixed.startswith(paper)
                assert re.fullmatch(r"[\d.,eE+-]*", more)
            else:
                assert paper.endswith("\N{REPLACEMENT CHARACTER}")  # a cut inside a character


@pytest.mark.parametrize(
    ("answer", "length", "paper", "fixed"),
    [
        ("Weng earns 12 an hour.", 4, "Weng earns 1", "Weng earns 12"),
        ("12 and 13", 1, "1", "12"),
        ("12 and 13", 2, "12", "12"),
        ("1,234.50 is", 3, "1,2", "1,234.50"),
        ("-5 it is", 1, "-", "-5"),
        ("12. So", 2, "12", "12"),
        ("👩 hello", 1, "\N{REPLACEMENT CHARACTER}", "👩"),
        ("12", 6, "12", "12"),
        ("", 6, "", ""),
    ],
)
def test_golden(tokenizer: Any, answer: str, length: int, paper: str, fixed: str) -> None:
    assert shown_text(tokenizer, answer, length, "paper") == paper
    assert shown_text(tokenizer, answer, length, "fixed") == fixed


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("7-5", 2, 2),  # an operator
        ("7 -5", 3, 4),  # a sign
        ("12/60", 2, 2),
        ("12/60", 4, 5),
        ("3.14.", 1, 4),
        ("3.14.", 4, 4),
        ("1e5", 1, 3),
        (".5", 1, 2),
        ("a1b", 1, 1),
        ("٣٤", 1, 2),
        ("12", 0, 0),
        ("12", 2, 2),
    ],
)
def test_number_end(text: str, end: int, expected: int) -> None:
    assert number_end(text, end) == expected


def test_beginnings_end_before_a_space() -> None:
    assert beginning("abc def ghi", 1) == "abc"
    assert beginning("abc def ghi", 3) == "abc"
    assert beginning("abc def ghi", 4) == "abc def"
    assert beginning("abc def ghi", 9) == "abc def ghi"
    assert beginning("é é é", 1) == "é é é"
    assert beginning("", 5) == ""
    assert split_at_boundaries(" ab  c. é d") == [" ab", "  c.", " é d"]
    assert split_at_boundaries("") == [""]


def test_settings_of_the_tokenizer_do_not_matter(tokenizer: Any) -> None:
    texts = answers(10)
    before = shown_texts(tokenizer, texts, 6, "fixed")
    tokenizer.backend_tokenizer.enable_truncation(2)
    tokenizer.backend_tokenizer.enable_padding(length=9)
    assert shown_texts(tokenizer, texts, 6, "fixed") == before


class Slow:
    """A replacement of a tokenizer without a backend: a token is a character."""

    is_fast = False

    def tokenize(self, text: str) -> list[str]:
        return list(text)

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return "".join(tokens)


def test_slow_tokenizers_do_as_published_only() -> None:
    assert shown_texts(Slow(), ["abc", ""], 2, "paper") == ["ab", ""]
    with pytest.raises(ModelError, match="fixed needs a fast tokenizer, got Slow: use paper"):
        true_preview.shown_texts(Slow(), ["abc"], 2, "fixed")
