"""What of an answer a true preview shows: the text of its first tokens, for one answer or for many at once.

Protocol `paper` is what the published code does (`process_item_real` in
https://github.com/zjunlp/LookAheadTuning/blob/f9730df/main.py): the first m tokens, counted without special
tokens, turned back to text. That may show "Weng earns 1" of "Weng earns 12", or half of a character's bytes.

Protocol `fixed` shows the answer's own beginning up to the end of the m-th token, and goes on to the end of
the number or character that this token ends in. It goes on, and doesn't stop before, since only then are the
first m tokens always shown, which is what keeps their loss small; and an answer that begins with a long
number would otherwise have an empty preview. The price is a preview of some tokens more.
"""

import re
from collections.abc import Sequence
from typing import Any

from lookahead_ray.config.base import Fidelity
from lookahead_ray.errors import ModelError
from lookahead_ray.preview.token_boundaries import beginning, may_cut, split_at_boundaries

CHARACTERS_A_TOKEN = 6
"""Of an answer so many for each token to show are tokenised first; English has 4 to 5."""

NUMBER = re.compile(
    r"(?:(?<![\w.)\]])[-+\N{MINUS SIGN}])?"  # a sign, where it is no operator
    r"\.?\d+(?:[.,]\d+)*"  # 12, .5, 3.14, 1,234.56, 3,14; of any script
    r"(?:[eE][-+]?\d+)?"
)
"""What `fixed` never shows a part of. A fraction or a time is two numbers."""


def shown_text(tokenizer: Any, answer: str, length_tokens: int, protocol: Fidelity) -> str:
    """The preview of one answer, which is tokenised whole; an answer that is shorter is shown whole.

    Raises:
        ModelError: `fixed`, and the tokenizer can't tell where in the text a token ends.
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
    """`shown_text` of each answer, in their order, by the tokenizer's batches. Raises as it does.

    Where the tokenizer allows it (see `beginning`), only the words of the answers' beginnings are tokenised,
    each once; an answer whose beginning turns out to hold too few tokens, or to end inside a character, is
    done again whole and by itself.
    """

    def alone(answer: str) -> str:
        return shown_text(tokenizer, answer, length_tokens, protocol)

    if not _has_batches(tokenizer):
        return [alone(answer) for answer in answers]
    tokenizer.tokenize("")  # puts truncation, padding and special tokens as they are for a single answer
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
    """The end of the number that position `end` lies inside of; `end` itself outside of numbers."""
    if not (0 < end < len(text) and _of_numbers(text[end - 1]) and _of_numbers(text[end])):
        return end  # nearly always, and soon
    for match in NUMBER.finditer(text):
        if match.start() >= end:
            break
        if match.end() > end:
            return match.end()
    return end


def _of_numbers(character: str) -> bool:
    return character.isdecimal() or character in ".,eE+-\N{MINUS SIGN}"


def _ids(backend: Any, pieces: Sequence[str]) -> list[list[int]]:
    """Token ids of each piece; words that many pieces have in common are tokenised once."""
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
        # Part of a character, or a tokenizer that changes text; offsets are those of whole characters.
        end = max(end for _, end in encoding.offsets[:length_tokens])
    return answer[: number_end(answer, end)]


def _has_batches(tokenizer: Any) -> bool:
    """Whether a single answer goes straight to the backend, so that its batches give the same."""
    from transformers import PreTrainedTokenizerFast as Fast

    kind = type(tokenizer)
    return (
        isinstance(tokenizer, Fast)
        and not tokenizer.split_special_tokens
        and all(
            getattr(kind, name) is getattr(Fast, name) for name in ("tokenize", "_encode_plus", "__call__")
        )
    )
