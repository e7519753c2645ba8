"""Normalisation of answers for comparison (one case, one kind of quote, no markup), and their parts.

All functions take time linear in the length of the answer.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from operator import eq

MAX_CHARACTERS = 100_000
"""Maximum length that is read; an answer of 1,024 tokens has some 5,000 characters."""

CODE_FENCE = "\x01"
"""Replacement for ``` in normalised text."""

_NFKC_CHUNK = 256  # NFKC sorts runs of combining marks in quadratic time, so runs are kept short

_QUOTES = str.maketrans(
    dict.fromkeys("\u2019\u2018\u02bc\u00b4\u2032\u201b\uff07\ua78c", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\uff02", '"')
    # invisible: soft hyphen, zero-width and direction marks, byte-order mark
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e")
)
_TICK = re.compile(r"(?<=\w)`(?=\w)")
_NEWLINE = re.compile(r"[\r\x0b\x0c\x85\u2028\u2029]")
_BULLET = re.compile(r"^[ \t]*[-*+\u2022\u2023\u25aa\u25cf\u2013\u2014][ \t]+", re.MULTILINE)
_MARKUP = re.compile(r"[*_~`]+|^[ \t]*(?:#{1,6}|>+)[ \t]*", re.MULTILINE)
_BLANK = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r" ?\n[ \n]*")
_SENTENCE = re.compile(r"(?:[^.!?\n]|[.!?](?![\s\"')\]]|$)){1,400}(?:[.!?]+[\"')\]]*|\n|$)?")
_LEADING = re.compile(r"[\s\"'(\[.,:;!-]*")
_WORD = re.compile(r"\w+(?:'\w+)*")

_LONGEST_PERIOD = 12  # words
_FILLED = 0.9  # minimum share of items that repeat
_FEWEST_WORDS = 12
_FEWEST_CHARACTERS = 30


def normalise(answer: str) -> str:
    """Return `answer` lower-case, in NFKC, with straight quotes, single blanks, "- " bullets, no Markdown."""
    text = answer[:MAX_CHARACTERS].translate(_QUOTES)
    chunks = (text[i : i + _NFKC_CHUNK] for i in range(0, len(text), _NFKC_CHUNK))
    text = "".join(unicodedata.normalize("NFKC", chunk) for chunk in chunks)[:MAX_CHARACTERS].lower()
    text = _NEWLINE.sub("\n", text).replace("```", f"\n{CODE_FENCE}\n")
    text = _BULLET.sub("- ", _TICK.sub("'", text))
    text = _BLANK.sub(" ", _MARKUP.sub("", text))
    return _BLANK_LINES.sub("\n", text).strip()


def opening(text: str) -> str:
    """Return normalised text without the quotes, brackets and stray punctuation it starts with."""
    return text[_LEADING.match(text).end() :]  # type: ignore[union-attr]  # it matches the empty string too


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield (start, sentence or line); very long ones are cut every 400 characters."""
    for match in _SENTENCE.finditer(text):
        if match.group().strip():
            yield match.start(), match.group()


def tokenize_words(text: str) -> list[str]:
    """Return the words of `text`, in order; "can't" is one."""
    return _WORD.findall(text)


def first_words(text: str, count: int) -> str:
    """Return `text` up to the end of its word number `count`."""
    for index, match in enumerate(_WORD.finditer(text), start=1):
        if index == count:
            return text[: match.end()]
    return text


def utf8(text: str) -> str:
    """Return `text` with ? for each lone surrogate, which neither UTF-8 nor tokenizers can represent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def is_degenerate(text: str) -> bool:
    """Return whether one short run of words (or of characters, if words are few) fills the text."""
    found = tokenize_words(text)
    if len(found) >= _FEWEST_WORDS:
        return _is_periodic(found)
    characters = "".join(text.split())
    return len(characters) >= _FEWEST_CHARACTERS and _is_periodic(characters)


def _is_periodic(items: Sequence[str]) -> bool:
    """Return whether most items equal the one a fixed short distance earlier, over at least three rounds."""
    longest = min(_LONGEST_PERIOD, len(items) // 3)
    return any(
        sum(map(eq, items, items[period:])) >= _FILLED * (len(items) - period)
        for period in range(1, longest + 1)
    )
