"""The part of an answer that a true preview shows: the text of its first tokens, for one answer or for many.

Protocol `paper` follows the published code (`process_item_real` in
https://github.com/zjunlp/LookAheadTuning/blob/f9730df/main.py): the first m tokens, counted without special
tokens, decoded to text. That may show "Weng earns 1" of "Weng earns 12", or half of a character's bytes.

Protocol `fixed` shows the answer's own text up to the end of the m-th token, extended to the end of the
number or character in which this token ends. The text is extended and not shortened, because only then are
the first m tokens always shown, which keeps their loss small; and an answer that begins with a long number
would otherwise have an empty preview. The price is a preview that is some tokens longer.
"""

import re
from collections.abc import Sequence
from typing import Any

from lookahead_ray.config.base import Fidelity
from lookahead_ray.errors import ModelError
from lookahead_ray.preview.token_boundaries import beginning, may_cut, split_at_boundaries

CHARACTERS_A_TOKEN = 6
"""Characters of an answer tokenised first, per token to show; English has 4 to 5 per token."""

NUMBER = re.compile(
    r"(?:(?<![\w.)\]])[-+\N{MINUS SIGN}])?"  # a sign, if it is no operator
    r"\.?\d+(?:[.,]\d+)*"  # 12, .5, 3.14, 1,234.56, 3,14; of any script
    r"(?:[eE][-+]?\d+)?"
)
"""A number, which `fixed` never shows in part. A fraction or a time is two numbers."""


def shown_text(tokenizer: Any, answer: str, length_tokens: int, protocol: Fidelity) -> str:
    """Return the preview of one answer, which is tokenised whole; a shorter answer is shown whole.

    Raises:
        ModelError: `fixed`, and the tokenizer does not give the end of a token in the text.
    """
    if protocol == "paper":
        text: str = tokenizer.convert_tokens_to_string(tokenizer.tokenize(answer)[:length_tokens])
        return text
    if not tokenizer.is_fast:
        raise ModelError(
            f"preview.protocol: fixed needs a fast tokenizer, got {type(tokenizer).__name__}: use paper"
        )
    encoding = tokenizer(answer, add_special_tokens=False).encodings[0]
    return _fixed(tokenizer, answer, encoding, length_tokens)


def shown_texts(tokenizer: Any, answers: Sequence[str], length_tokens: int, protocol: Fidelity) -> list[str]:
    """Return `shown_text` of each answer, in their order, with batched tokenisation. Raises as it does.

    If the tokenizer allows it (see `may_cut`), only the words of the answers' beginnings are tokenised, each
    distinct word once; an answer whose beginning has too few tokens, or ends inside a character, is tokenised
    again, whole and alone.
    """

    def alone(answer: str) -> str:
        return shown_text(tokenizer, answer, length_tokens, protocol)

    if not _has_batches(tokenizer):
        return [alone(answer) for answer in answers]
    tokenizer.tokenize("")  # sets truncation, padding and special tokens as for a single answer
    backend = tokenizer.backend_tokenizer
    if not may_cut(backend):
        whole = backend.encode_batch(answers, add_special_tokens=False)
        if protocol == "paper":
            return [tokenizer.convert_tokens_to_string(each.tokens[:length_tokens]) for each in whole]
        pairs = zip(answers, whole, strict=True)
        return [_fixed(tokenizer, answer, encoding, length_tokens) for answer, encoding in pairs]
    pieces = [beginning(answer, CHARACTERS_A_TOKEN * length_tokens) for answer in answers]
    ids = _ids(backend, pieces)
    texts = backend.decode_batch([each[:length_tokens] for each in ids], skip_special_tokens=False)
    shown = []
    for answer, piece, its_ids, text in zip(answers, pieces, ids, texts, strict=True):
        too_short = len(its_ids) <= length_tokens
        if too_short and len(piece) < len(answer):
            shown.append(alone(answer))
        elif protocol == "paper":
            shown.append(text)
        elif too_short:
            shown.append(answer)
        elif answer.startswith(text):
            shown.append(answer[: number_end(answer, len(text))])
        else:
            shown.append(alone(answer))
    return shown


def number_end(text: str, end: int) -> int:
    """Return the end of the number that position `end` is inside of; `end` itself outside of numbers."""
    if not (0 < end < len(text) and _of_numbers(text[end - 1]) and _of_numbers(text[end])):
        return end  # the usual case, decided fast
    for match in NUMBER.finditer(text):
        if match.start() >= end:
            break
        if match.end() > end:
            return match.end()
    return end


def _of_numbers(character: str) -> bool:
    return character.isdecimal() or character in ".,eE+-\N{MINUS SIGN}"


def _ids(backend: Any, pieces: Sequence[str]) -> list[list[int]]:
    """Return the token ids of each piece; a word that occurs in several pieces is tokenised once."""
    split = [split_at_boundaries(piece) for piece in pieces]
    distinct = list({word: None for each in split for word in each})
    encodings = backend.encode_batch_fast(distinct, add_special_tokens=False)
    by_word = {word: encoding.ids for word, encoding in zip(distinct, encodings, strict=True)}
    return [[token for word in each for token in by_word[word]] for each in split]


def _fixed(tokenizer: Any, answer: str, encoding: Any, length_tokens: int) -> str:
    if len(encoding) <= length_tokens:
        return answer
    text = tokenizer.convert_tokens_to_string(encoding.tokens[:length_tokens])
    end = len(text)
    if not answer.startswith(text):
        # Part of a character, or a tokenizer that changes text; offsets refer to whole characters.
        end = max(end for _, end in encoding.offsets[:length_tokens])
    return answer[: number_end(answer, end)]


def _has_batches(tokenizer: Any) -> bool:
    """Return whether a single answer goes to the backend directly, so that batches give the same result."""
    from transformers import PreTrainedTokenizerFast as Fast

    kind = type(tokenizer)
    return (
        isinstance(tokenizer, Fast)
        and not tokenizer.split_special_tokens
        and all(
            getattr(kind, name) is getattr(Fast, name) for name in ("tokenize", "_encode_plus", "__call__")
        )
    )
