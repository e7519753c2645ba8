"""Loss of the first answer tokens of training rows under a model that is not trained, for several previews.

The paper's argument for previews (sections 2.4 and 3) is that first answer tokens with a small loss have
small gradients, so that training moves the model's first tokens little, also those of refusals. Under a
virtual preview the first tokens as trained are the phrase's; those of the task's own answer come after it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix
from typing import TYPE_CHECKING

from lookahead_ray.config.preview import PreviewConfig, VirtualPreview
from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered, answer_ids, render_all
from lookahead_ray.data.example import Example
from lookahead_ray.data.row_lengths import UNLIMITED, fit_rows
from lookahead_ray.errors import DataError
from lookahead_ray.evaluate.teacher_forced import answer_token_nats
from lookahead_ray.model.load import check_length
from lookahead_ray.preview import apply_previews

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class OpeningNats:
    """Loss of one training row's first answer tokens, each in nats.

    Attributes:
        trained: of the answer as it is trained, which begins with the phrase of a virtual preview.
        answer: of the task's own answer, after the phrase; empty if the row is cut within the phrase.
    """

    trained: tuple[float, ...]
    answer: tuple[float, ...]


def opening_nats(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    examples: Sequence[Example],
    previews: Sequence[PreviewConfig],
    training: TrainingConfig,
    tokens: int,
    progress: Callable[[int, int], None] = lambda done, rows: None,
) -> list[list[OpeningNats]]:
    """Return the losses of the first `tokens` answer tokens: for each preview, a list over the rows.

    The rows are those that a training with the preview has. An example whose row is left out under any of the
    previews (`training.too_long: skip`) is left out under all, so that the lists are of the same examples.

    Args:
        progress: called with the number of examples done, and of all.

    Raises:
        DataError: rows are too long, as in training.
        ModelError: a row is longer than the model's context.
    """
    whole = [render_all(tokenizer, apply_previews(examples, each, tokenizer), UNLIMITED) for each in previews]
    by_preview = _fit(whole, training)
    longest = max(row.length for rows in by_preview for row in rows)
    check_length(model, longest, f"training.max_length: {training.max_length} lets rows be of")
    phrases = [_phrase_ids(tokenizer, preview) for preview in previews]
    found: list[list[OpeningNats]] = [[] for _ in previews]
    count = len(by_preview[0])
    for done, rows in enumerate(zip(*by_preview, strict=True), 1):
        # what all previews of a row have in common is computed once for all of them
        begins = [_common(phrase, row.answer_ids) for phrase, row in zip(phrases, rows, strict=True)]
        cut = [
            replace(row, answer_ids=row.answer_ids[: begin + tokens])
            for row, begin in zip(rows, begins, strict=True)
        ]
        nats = answer_token_nats(model, cut, tokenizer.pad_token_id)
        for into, begin, values in zip(found, begins, nats, strict=True):
            into.append(OpeningNats(values[:tokens], values[begin:]))
        progress(done, count)
    return found


def _fit(whole: Sequence[list[Rendered]], training: TrainingConfig) -> list[list[Rendered]]:
    """Return the rows of each preview: cut to the maximum length, or only those that fit under all."""
    fitting = [fit_rows(rows, training.max_length, training.too_long) for rows in whole]
    if training.too_long != "skip":
        return fitting
    together = list(zip(*whole, strict=True))
    kept = [rows for rows in together if all(row.length <= training.max_length for row in rows)]
    if not kept:
        raise DataError(
            f"training.max_length: must be at least as long as one of the {len(together)} rows is under "
            f"every preview, got {training.max_length}"
        )
    return [list(rows) for rows in zip(*kept, strict=True)]


def _phrase_ids(tokenizer: "PreTrainedTokenizerBase", preview: PreviewConfig) -> tuple[int, ...]:
    return answer_ids(tokenizer, preview.prefix) if isinstance(preview, VirtualPreview) else ()


def _common(phrase: Sequence[int], answer: Sequence[int]) -> int:
    """Return the number of first tokens that are the phrase's; its last space often belongs to the next."""
    return len(commonprefix([tuple(phrase), tuple(answer)]))  # noqa: RUF071  # of tokens, not of paths
