"""Training rows against `training.max_length` and the model's context, before a model is loaded."""

from collections.abc import Sequence
from dataclasses import replace

from lookahead_ray.config.preview import PreviewConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import Rendered, answer_ids, prompt_ids, render
from lookahead_ray.data.example import Example
from lookahead_ray.data.row_lengths import UNLIMITED, RowLengths
from lookahead_ray.model.load import check_length
from lookahead_ray.model.outline import ModelOutline
from lookahead_ray.preview import apply_previews

MOST_RENDERED = 3000
"""Rows that are tokenised at most, the longest first: about two seconds."""

ENOUGH_SHORT = 300
"""Consecutive rows, in decreasing size, that are far below the maximum: the remaining ones are too."""

SHORT_SHARE = 0.7
LONGEST_TOKEN = 64  # bytes
SLACK = 16  # tokens of a template that depend on its texts


def measure_rows(
    config: TrialConfig, outline: ModelOutline, examples: Sequence[Example], mixed: Sequence[Example]
) -> RowLengths:
    """Return the lengths of the rows that a trial of `config` would train on.

    A method that rewrites answers is not run: its rows are counted with the original answers. Only rows that
    can be too long are tokenised, as a text has no more tokens than bytes.

    Raises:
        DataError: a row can't be rendered.
        ModelError: the tokenizer has no chat template, or the preview needs another tokenizer.
    """
    tokenizer, limit = outline.tokenizer, config.training.max_length
    tokens = min(limit, outline.context or limit)
    most_texts = tokens - _overhead(outline)  # bytes of texts that fit in any case
    apply_previews(examples[:1], config.preview, tokenizer)  # raises if the tokenizer does not suit
    if all(_bytes(example) + _added_bytes(config.preview) <= most_texts for example in examples):
        shown = list(examples)
    else:
        shown = apply_previews(examples, config.preview, tokenizer)
    candidates = [*shown, *mixed]
    sized = sorted(((_bytes(example), index) for index, example in enumerate(candidates)), reverse=True)
    rendered: list[Rendered] = []
    short = 0
    for size, index in sized[:MOST_RENDERED]:
        if size <= most_texts or short == ENOUGH_SHORT:
            break
        rendered.append(render(tokenizer, candidates[index], UNLIMITED))
        short = short + 1 if rendered[-1].length < SHORT_SHARE * tokens else 0
    return replace(RowLengths.of(rendered, limit), rows=len(candidates))


def check_rows(config: TrialConfig, outline: ModelOutline, found: RowLengths) -> None:
    """Raise if a trial can't train on rows of these lengths.

    Raises:
        DataError: as `RowLengths.check`.
        ModelError: a row would be longer than the model's context.
    """
    found.check(config.training.too_long)
    longest = min(found.longest, found.max_length)
    check_length(outline.model, longest, f"training.max_length: {found.max_length} lets rows be of")


def _added_bytes(preview: PreviewConfig) -> int:
    """Return how many bytes a preview adds to a row, at most."""
    if preview.strategy == "virtual":
        return len((preview.connector + 2 * preview.prefix).encode())
    if preview.strategy == "true":
        return len(preview.connector.encode()) + LONGEST_TOKEN * preview.length_tokens
    return 0


def _bytes(example: Example) -> int:
    history = "".join(text for exchange in example.history for text in exchange)
    return len(f"{example.system or ''}{history}{example.instruction}{example.answer}".encode())


def _overhead(outline: ModelOutline) -> int:
    """Return the tokens that a chat template adds to the texts of a row, at most."""
    tokenizer = outline.tokenizer
    return len(prompt_ids(tokenizer, "x", "x")) + len(answer_ids(tokenizer, "x")) + SLACK
