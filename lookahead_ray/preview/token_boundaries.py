"""Positions at which an answer may be cut so that the tokens of its parts are the tokens of the whole.

Proof, for a cut before a space that follows a visible ASCII character. All of `PATTERNS` split there: a match
that contains a visible character ends at the next space; and a match of white space that looks ahead at the
next character ends, if it is before the cut, before that visible character. So the pieces left of the cut are
the same in the beginning and in the whole; so are those right of it in the end and in the whole, as no
pattern looks back; and the model encodes each piece alone. Splitting digits off first changes nothing: it
looks at single characters. Neither does NFC: nothing combines with a following space. Added tokens are found
before these steps, but one without white space can't extend across the cut.

Equal ids mean equal tokens: that holds for BPE if no added token represents more than its own text.

Every other tokenizer (SentencePiece models such as Llama 2's do not split at all) gets whole answers.
"""

import json
import re
from typing import Any

GPT2 = "ByteLevel"  # with its own pattern, if `use_regex` is set
PATTERNS = (
    # Llama 3
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    # Qwen 2
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
)
"""Regular expressions by which known pre-tokenizers split."""

_CUT = re.compile(r"[!-~](?= )")
_CUTS = re.compile(r"(?<=[!-~])(?= )")


def beginning(answer: str, characters: int) -> str:
    """Return at least `characters` of `answer`, up to the next position where a cut is allowed; else all."""
    if len(answer) <= characters:
        return answer
    found = _CUT.search(answer, max(characters - 1, 0))
    return answer[: found.end()] if found else answer


def split_at_boundaries(text: str) -> list[str]:
    """Cut `text` at all positions where it may be cut."""
    return _CUTS.split(text)


def may_cut(backend: Any) -> bool:
    """Return whether the proof above holds for this `tokenizers.Tokenizer`."""
    normalizer = _state(backend.normalizer)
    return (
        (normalizer is None or normalizer["type"] == "NFC")
        and _splits_at_spaces(_state(backend.pre_tokenizer))
        and type(backend.model).__name__ == "BPE"
        and all(
            not (token.lstrip or token.rstrip or (token.normalized and normalizer))
            and not any(character.isspace() for character in token.content)
            for token in backend.get_added_tokens_decoder().values()
        )
    )


def _splits_at_spaces(step: dict[str, Any] | None) -> bool:
    if step is None:
        return False
    steps = step["pretokenizers"] if step["type"] == "Sequence" else [step]
    while steps and steps[0]["type"] == "Digits":
        steps = steps[1:]
    kinds = [each["type"] for each in steps]
    if kinds == [GPT2]:
        return bool(steps[0]["use_regex"]) and not steps[0]["add_prefix_space"]
    if kinds == ["Split", GPT2]:
        split = steps[0]
        known = split["pattern"].get("Regex") in PATTERNS and split["behavior"] == "Isolated"
        whole = not steps[1]["use_regex"] and not steps[1]["add_prefix_space"]
        return known and not split["invert"] and whole
    return False


def _state(part: Any) -> dict[str, Any] | None:
    if part is None:
        return None
    state: dict[str, Any] = json.loads(part.__getstate__())
    return state
