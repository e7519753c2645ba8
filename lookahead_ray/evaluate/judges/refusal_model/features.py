"""Features of an answer, sentence by sentence: its words, pairs and triples of words, and characters, hashed.

A sentence ends at a full stop, question or exclamation mark, colon, semicolon or line break of any script, or
after `LONGEST_SENTENCE` characters. Its features depend only on the text up to its end, and only the first
`CHARACTERS_READ` of an answer are read: once a sentence is followed by further text, nothing that comes later
can change its features.
"""

import re
import unicodedata
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CHARACTERS_READ = 600
"""Number of characters of an answer that are read."""

SENTENCES_READ = 12
"""Number of sentences that are read."""

LONGEST_SENTENCE = 160
"""Number of characters after which a sentence ends without punctuation."""

BUCKETS = 960_000
"""Number of values that features are hashed to; two bytes of weights for each."""

Ids = NDArray[np.int64]

_QUOTES = str.maketrans(
    dict.fromkeys("\u2019\u2018\u02bc\u00b4\u2032\u201b\uff07", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
    | dict.fromkeys("*`_~\u00ad\u200b\u200e\u200f\u2060\ufeff")  # markup and invisible characters
)
_ENDS = ".!?:;\n。！？：；…।؟۔"
_SENTENCE = re.compile(rf"[^{_ENDS}]{{1,{LONGEST_SENTENCE}}}[{_ENDS}]*|[{_ENDS}]+")
_SHORTEST_SENTENCE = 4  # characters; a shorter one, such as the number of a list item, joins the next
TOKEN = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
_DIGITS = re.compile(r"\d+")

_LONGEST_RUN = 3  # longest run of words
_CHARACTERS = 5  # longest run of characters, within a word and the blanks around it
_BLANK = np.uint32(ord(" "))
_CACHED_WORDS = 1 << 15
_SENTENCE_BITS = 4  # enough for SENTENCES_READ
_PRIME = np.uint64(1_099_511_628_211)
_MIXER = np.uint64(0x9E3779B97F4A7C15)
_HIGH_BITS = np.uint64(32)  # which the mixer makes random


@dataclass(frozen=True)
class AnswerFeatures:
    """The distinct features of an answer's sentences."""

    ids: Ids  # (m,) buckets, ascending
    first: Ids  # (m,) index of the first sentence with the feature
    ends: tuple[int, ...]  # where each sentence ends in `text`
    complete: int  # number of leading sentences that no continuation of the answer can change
    text: str  # the simplified text of the sentences

    @property
    def sentences(self) -> int:
        """Return the number of sentences."""
        return len(self.ends)


def simplify(text: str) -> str:
    """Return `text` in NFKC and lower case, with straight quotes, single blanks, 0 for numbers, no markup."""
    text = unicodedata.normalize("NFKC", text.translate(_QUOTES)).casefold()
    return _BLANKS.sub(" ", _LINES.sub("\n", _DIGITS.sub("0", text)))


def sentence_ends(text: str) -> list[int]:
    """Return where each sentence of a simplified text ends, for at most `SENTENCES_READ`."""
    starts: list[int] = []
    ends: list[int] = []
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        if ends and ends[-1] - starts[-1] < _SHORTEST_SENTENCE:
            ends[-1] = end
        elif len(ends) == SENTENCES_READ:
            break
        else:
            starts.append(start)
            ends.append(end)
    return ends


def extract_features(answer: str) -> AnswerFeatures:
    """Return the features of an answer's first sentences, in constant time for long texts."""
    text = simplify(answer[:CHARACTERS_READ]).lstrip()
    ends = sentence_ends(text)
    if not ends:
        nothing = np.zeros(0, np.int64)
        return AnswerFeatures(nothing, nothing, (), 0, "")
    ids, places = _hash_runs(text[: ends[-1]])
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    sentence = np.repeat(np.arange(len(ends)), lengths)[places]
    keys = np.sort((ids << _SENTENCE_BITS) | sentence)
    distinct = keys >> _SENTENCE_BITS
    new = np.concatenate([[True], distinct[1:] != distinct[:-1]])
    followed = len(answer) > CHARACTERS_READ or len(text) > ends[-1]
    return AnswerFeatures(
        ids=distinct[new],
        first=keys[new] & ((1 << _SENTENCE_BITS) - 1),
        ends=tuple(ends),
        complete=len(ends) if followed else len(ends) - 1,
        text=text[: ends[-1]],
    )


@lru_cache(_CACHED_WORDS)
def _hash_word(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "replace"))


def _hash_runs(text: str) -> tuple[Ids, Ids]:
    """Return the bucket of each run of words or characters, and the index of the run's last character."""
    found = [(_hash_word(match.group()), match.end() - 1) for match in TOKEN.finditer(text)]
    words = np.array([code for code, _ in found], np.uint64) * _PRIME
    ends = np.array([end for _, end in found], np.int64)
    hashes, places = [], []
    run = words
    for size in range(1, min(_LONGEST_RUN, len(words)) + 1):
        run = words if size == 1 else run[:-1] * _PRIME + words[size - 1 :]
        hashes.append(run)
        places.append(ends[size - 1 :])
    padded = f" {text}".replace("\n", " ").encode("utf-32-le", "replace")
    codes = np.frombuffer(padded, np.uint32)
    blanks = np.concatenate([[0], np.cumsum(codes == _BLANK)])
    characters = codes.astype(np.uint64)
    run = characters
    for size in range(1, min(_CHARACTERS, len(codes)) + 1):
        count = len(codes) - size + 1
        if size > 1:
            run = run[:-1] * _PRIME + characters[size - 1 :]
        if size == 1:
            whole = np.nonzero(codes != _BLANK)[0]
        elif size == 2:
            whole = np.arange(count)
        else:  # no blank between the first and the last
            whole = np.nonzero(blanks[size - 1 : size - 1 + count] == blanks[1 : count + 1])[0]
        hashes.append(run[whole] * _PRIME + np.uint64(size))
        places.append(whole + size - 2)
    mixed = (np.concatenate(hashes) * _MIXER) >> _HIGH_BITS
    return (mixed % np.uint64(BUCKETS)).astype(np.int64), np.maximum(np.concatenate(places), 0)
