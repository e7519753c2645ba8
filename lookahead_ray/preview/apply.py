"""The two previews of the paper, and none."""

from dataclasses import replace
from typing import Any

from lookahead_ray.config.preview import NoPreview, PreviewConfig, TruePreview
from lookahead_ray.data.example import Example


def apply_preview(example: Example, preview: PreviewConfig, tokenizer: Any) -> Example:
    """The training example under `preview`; the tokenizer is asked only by the true strategy."""
    if isinstance(preview, NoPreview):
        return example
    if isinstance(preview, TruePreview):
        return true_preview(example, preview.length_tokens, preview.connector, tokenizer)
    return virtual_preview(example, preview.prefix, preview.connector)


def true_preview(example: Example, length_tokens: int, connector: str, tokenizer: Any) -> Example:
    """x' = x ⊕ connector ⊕ y[1..m], y' = y (paper, section 3.1).

    The preview is the text of the answer's first `length_tokens` tokens, counted without special tokens; an
    answer that is shorter is shown whole. A cut inside a character's bytes shows the character as the
    tokenizer decodes it (U+FFFD).
    """
    ids = tokenizer.encode(example.answer, add_special_tokens=False)[:length_tokens]
    shown = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return replace(example, instruction=f"{example.instruction}{connector}{shown}")


def virtual_preview(example: Example, prefix: str, connector: str) -> Example:
    """x' = x ⊕ connector ⊕ P, y' = P ⊕ y (paper, section 3.2); nothing of the true answer is shown."""
    return replace(
        example,
        instruction=f"{example.instruction}{connector}{prefix}",
        answer=f"{prefix}{example.answer}",
    )
