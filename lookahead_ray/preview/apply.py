"""The two preview strategies of the paper, and none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lookahead_ray.config.preview import NoPreview, PreviewConfig, TruePreview
from lookahead_ray.data.example import Example
from lookahead_ray.preview.true_preview import shown_texts


@dataclass(frozen=True, slots=True)
class Added:
    """The texts that a preview appends to one row's instruction and prepends to its answer."""

    behind_instruction: str = ""
    before_answer: str = ""


def additions(answers: Sequence[str], preview: PreviewConfig, tokenizer: Any) -> list[Added]:
    """Return what `preview` adds to the row of each answer; only the true strategy uses the tokenizer.

    True: x' = x ⊕ connector ⊕ y[1..m], y' = y (paper, section 3.1; see `true_preview` for the shown part of
    y). Virtual: x' = x ⊕ connector ⊕ P, y' = P ⊕ y (section 3.2); no part of the true answer is shown.

    Raises:
        ModelError: as `true_preview.shown_text`.
    """
    if isinstance(preview, NoPreview):
        return [Added()] * len(answers)
    if isinstance(preview, TruePreview):
        shown = shown_texts(tokenizer, answers, preview.length_tokens, preview.protocol)
        return [Added(f"{preview.connector}{text}") for text in shown]
    return [Added(f"{preview.connector}{preview.prefix}", preview.prefix)] * len(answers)


def apply_previews(examples: Sequence[Example], preview: PreviewConfig, tokenizer: Any) -> list[Example]:
    """Return the training examples under `preview`, in their order. Raises as `additions`."""
    added = additions([example.answer for example in examples], preview, tokenizer)
    return [_with(example, each) for example, each in zip(examples, added, strict=True)]


def apply_preview(example: Example, preview: PreviewConfig, tokenizer: Any) -> Example:
    """Apply `preview` to one example, as `apply_previews`."""
    return apply_previews([example], preview, tokenizer)[0]


def _with(example: Example, added: Added) -> Example:
    return replace(
        example,
        instruction=example.instruction + added.behind_instruction,
        answer=added.before_answer + example.answer,
    )
