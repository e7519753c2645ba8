"""The two previews of the paper, against what its published code does (protocol, section Preview)."""

from dataclasses import replace
from typing import Any

import pytest

from lookahead_ray.config.preview import (
    DEFAULT_CONNECTOR,
    DEFAULT_PREFIX,
    NoPreview,
    PreviewConfig,
    TruePreview,
    VirtualPreview,
)
from lookahead_ray.data.chat import answer_ids
from lookahead_ray.data.example import Example
from lookahead_ray.preview import apply_preview
from tests.toy import toy_tokenizer

EXAMPLES = {
    "usual": Example("Be brief.", "What is 6 + 6?", "Weng earns 12.\n#### 12"),
    "one token": Example(None, "What is 3?", "3"),
    "several bytes a character": Example(None, "Preis?", "Fünf €"),
    "empty answer": Example(None, "Say nothing.", ""),
    "special token": Example(None, "Tokens?", "It ends in <|im_end|>."),
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return toy_tokenizer()


class PreviewContract:
    """What holds for every preview; `preview` is the one to test."""

    preview: PreviewConfig

    @pytest.fixture(params=list(EXAMPLES.values()), ids=list(EXAMPLES))
    def example(self, request: pytest.FixtureRequest) -> Example:
        found: Example = request.param
        return found

    def test_is_pure(self, example: Example, tokenizer: Any) -> None:
        before = replace(example)
        first = apply_preview(example, self.preview, tokenizer)
        assert example == before
        assert apply_preview(example, self.preview, tokenizer) == first

    def test_only_adds_at_the_end_of_the_instruction(self, example: Example, tokenizer: Any) -> None:
        shown = apply_preview(example, self.preview, tokenizer)
        assert shown.system == example.system
        assert shown.instruction.startswith(example.instruction)

    def test_the_answer_still_ends_as_it_did(self, example: Example, tokenizer: Any) -> None:
        assert apply_preview(example, self.preview, tokenizer).answer.endswith(example.answer)


class TestNone(PreviewContract):
    preview = NoPreview()

    def test_changes_nothing(self, example: Example) -> None:
        assert apply_preview(example, self.preview, tokenizer=None) is example


class TestTrue(PreviewContract):
    preview = TruePreview(strategy="true", length_tokens=6)

    def test_shows_the_first_tokens_and_leaves_the_answer(self, tokenizer: Any) -> None:
        shown = apply_preview(EXAMPLES["usual"], self.preview, tokenizer)
        assert shown.instruction == "What is 6 + 6? The answer begins with: Weng e"
        assert shown.answer == EXAMPLES["usual"].answer

    @pytest.mark.parametrize("length", [1, 6, 12, 100])
    def test_shows_as_many_tokens_as_the_answer_has_at_most(
        self, example: Example, length: int, tokenizer: Any
    ) -> None:
        preview = TruePreview(strategy="true", length_tokens=length)
        shown = apply_preview(example, preview, tokenizer)
        text = shown.instruction.removeprefix(example.instruction + DEFAULT_CONNECTOR)
        ids = answer_ids(tokenizer, example.answer)
        assert shown.answer == example.answer
        assert text == tokenizer.decode(ids[:length])
        if length >= len(ids):
            assert text == example.answer

    def test_a_cut_may_fall_inside_a_number_as_in_the_published_code(self, tokenizer: Any) -> None:
        preview = TruePreview(strategy="true", length_tokens=12)
        shown = apply_preview(EXAMPLES["usual"], preview, tokenizer)
        assert shown.instruction.endswith("begins with: Weng earns 1")

    def test_a_cut_inside_a_character_shows_a_replacement(self, tokenizer: Any) -> None:
        preview = TruePreview(strategy="true", length_tokens=2)
        assert apply_preview(EXAMPLES["several bytes a character"], preview, tokenizer).instruction == (
            "Preis? The answer begins with: F\N{REPLACEMENT CHARACTER}"
        )

    def test_the_connector_is_configured(self, tokenizer: Any) -> None:
        preview = TruePreview(strategy="true", length_tokens=3, connector=" >> ")
        assert apply_preview(EXAMPLES["usual"], preview, tokenizer).instruction == "What is 6 + 6? >> Wen"


class TestVirtual(PreviewContract):
    preview = VirtualPreview(strategy="virtual")

    def test_shows_the_phrase_and_the_answer_begins_with_it(self, example: Example) -> None:
        shown = apply_preview(example, self.preview, tokenizer=None)
        assert shown.instruction == f"{example.instruction}{DEFAULT_CONNECTOR}{DEFAULT_PREFIX}"
        assert shown.answer == DEFAULT_PREFIX + example.answer

    def test_shows_nothing_of_the_answer(self, tokenizer: Any) -> None:
        usual = EXAMPLES["usual"]
        other = apply_preview(replace(usual, answer="Something else."), self.preview, tokenizer)
        assert other.instruction == apply_preview(usual, self.preview, tokenizer).instruction

    def test_phrase_and_connector_are_configured(self) -> None:
        preview = VirtualPreview(strategy="virtual", prefix="So: ", connector=" | ")
        shown = apply_preview(EXAMPLES["usual"], preview, tokenizer=None)
        assert (shown.instruction, shown.answer) == (
            "What is 6 + 6? | So: ",
            "So: Weng earns 12.\n#### 12",
        )


def test_the_defaults_are_those_of_the_published_code() -> None:
    assert DEFAULT_CONNECTOR == " The answer begins with: "
    assert DEFAULT_PREFIX == "Let's solve this problem. "
    assert TruePreview(strategy="true").length_tokens == 6
