"""Training rows against `training.max_length` and the model's context, before a model is loaded."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from lookahead_ray.config.preview import PreviewConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import Rendered, answer_ids, prompt_ids, render
from lookahead_ray.data.example import Example
from lookahead_ray.data.row_lengths import UNLIMITED, RowLengths
from lookahead_ray.model.load import check_length
from lookahead_ray.model.outline import ModelOutline
from lookahead_ray.preview import apply_previews

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

MOST_RENDERED = 3000
"""Rows that are tokenised at most, the longest first: about two seconds."""

ENOUGH_SHORT = 300
"""Consecutive rows of a script, in decreasing size, that are far below the maximum: the remaining ones are
too."""

SHORT_SHARE = 0.7
LONGEST_TOKEN = 64  # bytes
SLACK = 16  # tokens of a template that depend on its texts
EXCHANGE_SLACK = 4
EXCHANGES_TRIED = 3


def measure_rows(
    config: TrialConfig, outline: ModelOutline, examples: Sequence[Example], mixed: Sequence[Example]
) -> RowLengths:
    """Return the lengths of the rows that a trial of `config` would train on.

    A method that rewrites answers is not run: its rows are counted with the original answers. Only rows that
    can be too long are tokenised, as a text has no more tokens than bytes, and a template adds as many to
    each exchange of a chat.

    Raises:
        DataError: a row can't be rendered.
        ModelError: the tokenizer has no chat template, or the preview needs another tokenizer.
    """
    tokenizer, limit = outline.tokenizer, config.training.max_length
    tokens = min(limit, outline.context or limit)
    template = _template_tokens(tokenizer)
    added = _added_bytes(config.preview)
    apply_previews(examples[:1], config.preview, tokenizer)  # raises if the tokenizer does not suit
    if all(_most_tokens(example, template) + added <= tokens for example in examples):
        shown = list(examples)
    else:
        shown = apply_previews(examples, config.preview, tokenizer)
    candidates = [example for example in (*shown, *mixed) if _most_tokens(example, template) > tokens]
    rendered, all_of_them = _render_long(tokenizer, candidates, template, tokens)
    found = RowLengths.of(rendered, limit)
    return replace(found, rows=len(shown) + len(mixed), at_least=not all_of_them)


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


def _most_tokens(example: Example, template: "TemplateTokens") -> int:
    """Return a number of tokens that a row can't exceed."""
    return len(_text(example).encode()) + template.of(example)


def _render_long(
    tokenizer: "Tokenizer", examples: Sequence[Example], template: "TemplateTokens", tokens: int
) -> tuple[list[Rendered], bool]:
    """Return the rows that may exceed `tokens`, and some shorter ones; and whether it is all of them."""
    # Sizes are compared within scripts: a token of English has four bytes, in many other scripts one or two.
    scripts: dict[int, list[Example]] = {}
    for example in sorted(examples, key=lambda each: _most_tokens(each, template), reverse=True):
        text = _text(example)
        scripts.setdefault(round(len(text.encode()) / len(text)), []).append(example)
    rendered: list[Rendered] = []
    all_of_them = True
    for left, script in zip(range(len(scripts), 0, -1), sorted(scripts.values(), key=len), strict=True):
        most = (MOST_RENDERED - len(rendered)) // left
        short = 0
        for example in script[:most]:
            if short == ENOUGH_SHORT:
                break
            rendered.append(render(tokenizer, example, UNLIMITED))
            short = short + 1 if rendered[-1].length < SHORT_SHARE * tokens else 0
        all_of_them = all_of_them and (short == ENOUGH_SHORT or most >= len(script))
    return rendered, all_of_them


def _text(example: Example) -> str:
    history = "".join(text for exchange in example.history for text in exchange)
    return f"{example.system or ''}{history}{example.instruction}{example.answer}"


class TemplateTokens(NamedTuple):
    """Tokens that a chat template adds to the texts of a row, at most."""

    once: int
    each_exchange: int

    def of(self, example: Example) -> int:
        """Return those of a row."""
        return self.once + self.each_exchange * len(example.history)


def _template_tokens(tokenizer: "Tokenizer") -> TemplateTokens:
    def prompt(system: str | None, exchanges: int) -> int:
        return len(prompt_ids(tokenizer, "x", system, [("x", "x")] * exchanges))

    # without a system prompt some templates write a longer one of their own
    once = max(prompt("x", 0), prompt(None, 0)) + len(answer_ids(tokenizer, "x")) + SLACK
    steps = (prompt(None, count + 1) - prompt(None, count) for count in range(EXCHANGES_TRIED))
    return TemplateTokens(once, max(steps) + EXCHANGE_SLACK)
