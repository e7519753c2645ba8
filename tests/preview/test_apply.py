"""The two previews of the paper, against the published code (protocol, section Preview)."""

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
from lookahead_ray.preview import apply_preview, apply_previews
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
    """The contract of every preview; `preview` is the one to test."""

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
        assert apply_preview(example, self.preview, tokenizer=None) == example


class TestTrue(PreviewContract):
    preview = TruePreview(strategy="true", length_tokens=6)

    def test_shows_the_first_tokens_and_leaves_the_answer(self, tokenizer: Any) -> None:
        shown = apply_preview(EXAMPLES["usual"], self.preview, tokenizer)
        assert shown.instruction == "What is 6 + 6? The answer begins with: Weng e"
        assert shown.answer == EXAMPLES["usual"].answer

    @pytest.mark.parametrize("length", [1, 6, 12, 100])
    def test_a_short_answer_is_previewed_completely(
        self, example: Example, length: int, tokenizer: Any
    ) -> None:
        preview = self.preview.model_copy(update={"length_tokens": length})
        shown = apply_preview(example, preview, tokenizer)
        text = shown.instruction.removeprefix(example.instruction + DEFAULT_CONNECTOR)
        assert shown.answer == example.answer
        if length >= len(answer_ids(tokenizer, example.answer)):
            assert text == example.answer

    def test_the_connector_is_configured(self, tokenizer: Any) -> None:
        preview = self.preview.model_copy(update={"length_tokens": 3, "connector": " >> "})
        assert apply_preview(EXAMPLES["usual"], preview, tokenizer).instruction == "What is 6 + 6? >> Wen"

    def test_a_cut_goes_on_to_the_end_of_a_number(self, tokenizer: Any) -> None:
        preview = self.preview.model_copy(update={"length_tokens": 12})
        assert apply_preview(EXAMPLES["usual"], preview, tokenizer).instruction.endswith(": Weng earns 12")

    def test_a_cut_goes_on_to_the_end_of_a_character(self, tokenizer: Any) -> None:
        preview = self.preview.model_copy(update={"length_tokens": 2})
        shown = apply_preview(EXAMPLES["several bytes a character"], preview, tokenizer)
        assert shown.instruction == "Preis? The answer begins with: Fü"


class TestTrueAsPublished(TestTrue):
    preview = TruePreview(strategy="true", length_tokens=6, protocol="paper")

    @pytest.mark.parametrize("length", [1, 6, 12, 100])
    def test_shows_exactly_so_many_tokens(self, example: Example, length: int, tokenizer: Any) -> None:
        preview = self.preview.model_copy(update={"length_tokens": length})
        shown = apply_preview(example, preview, tokenizer)
        text = shown.instruction.removeprefix(example.instruction + DEFAULT_CONNECTOR)
        published = tokenizer.encode(example.answer, add_special_tokens=False)  # control tokens too
        assert text == tokenizer.decode(published[:length])

    def test_a_cut_goes_on_to_the_end_of_a_number(self, tokenizer: Any) -> None:
        """It doesn't (q)."""
        preview = self.preview.model_copy(update={"length_tokens": 12})
        assert apply_preview(EXAMPLES["usual"], preview, tokenizer).instruction.endswith(": Weng earns 1")

    def test_a_cut_goes_on_to_the_end_of_a_character(self, tokenizer: Any) -> None:
        """It doesn't (q)."""
        preview = self.preview.model_copy(update={"length_tokens": 2})
        assert apply_preview(EXAMPLES["several bytes a character"], preview, tokenizer).instruction == (
            "Preis? The answer begins with: F\N{REPLACEMENT CHARACTER}"
        )


class TestVirtual(PreviewContract):
    preview = VirtualPreview(strategy="virtual")

    def test_shows_the_phrase_and_the_answer_begins_with_it(self, example: Example) -> None:
        shown = apply_preview(example, self.preview, tokenizer=None)
        assert shown.instruction == f"{example.instruction}{DEFAULT_CONNECTOR}{DEFAULT_PREFIX}"
        assert shown.answer == DEFAULT_PREFIX + example.answer

    def test_a_virtual_preview_contains_no_answer_token(self, tokenizer: Any) -> None:
        usual = EXAMPLES["usual"]
        other = apply_preview(replace(usual, answer="Something else."), self.preview, tokenizer)
        assert other.instruction == apply_preview(usual, self.preview, tokenizer).instruction

    @pytest.mark.parametrize(
        "phrase", [DEFAULT_PREFIX, " Let's solve this problem. "], ids=["code", "README"]
    )
    def test_published_phrases(self, phrase: str) -> None:
        preview = VirtualPreview(strategy="virtual", prefix=phrase)
        shown = apply_preview(EXAMPLES["one token"], preview, tokenizer=None)
        assert shown.instruction == f"What is 3? The answer begins with: {phrase}"
        assert shown.answer == f"{phrase}3"

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
    assert TruePreview(strategy="true").protocol == "fixed"


def test_many_examples_are_many_times_one(tokenizer: Any) -> None:
    preview = TruePreview(strategy="true", length_tokens=2)
    rows = list(EXAMPLES.values())
    assert apply_previews(rows, preview, tokenizer) == [
        apply_preview(row, preview, tokenizer) for row in rows
    ]
    assert apply_previews([], preview, tokenizer) == []
