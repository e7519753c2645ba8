"""Concepts of a text, such as regret, inability or help, found with a dictionary of many languages.

The dictionary has a block for each language, a line `@ CODE Name`, and in it a line `concept: entries`. An
entry is a word, whole if it has fewer than `SHORTEST_STEM` characters, else the beginning of one. `stem*` is
a beginning of any length, `*end` an end, `*middle*` a beginning that up to `LONGEST_PREFIX` characters may
precede, and `two_words` are words in a row. A word that is an entry itself has the concepts of no shorter
stem. A language that is written without blanks has its characters in its first line (`@ th Thai ก-๛`), and
its entries may begin at any character.

The language of a sentence is the one that knows the most words of the text up to the sentence's end, so that
the concepts of a sentence depend on nothing that follows it.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookahead_ray.errors import ModelError

SHORTEST_STEM = 5
"""Number of characters from which an entry is the beginning of a word."""

LONGEST_PREFIX = 4
"""Number of characters, such as those of an article, that may precede `*middle*`."""

_LONGEST_ENTRY = 16
_CACHED_WORDS = 1 << 15
_STEM = 5  # characters of a content word by which it is compared
_FUNCTION_WORDS = {"common", "i", "you", "they", "what", "not", "can", "but", "because", "must"}  # concepts
_HANGUL = ("\uac00", "\ud7a3")
_FIRST_UNSPACED = "\u0e00"  # Thai; no script that is written without blanks comes earlier in Unicode
_SHARED = {"zh": 0.3}  # weight of a character that another language is written with too
_SEPARATORS = r"\s.,;:!?()\[\]{}\"…。！？，、؟،؛।۔/|<>=+#\-–—"
_WORD = re.compile(rf"[^{_SEPARATORS}]+(?:-[^{_SEPARATORS}]+)*")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u4e00-\u9fff]{2,}")

Match = tuple[int, str]
"""Index of a concept, and what must follow the word."""

Entries = dict[str, dict[int, list[Match]]]
"""The matches of each entry, by the index of the language."""


@dataclass(frozen=True)
class WordMatches:
    """What a word means in each language that knows it, by the index of the language."""

    concepts: dict[int, list[int]]  # of the word alone
    phrases: dict[int, list[Match]]  # of phrases that begin with it
    languages: bytes  # for each language 1 if it knows the word, else 0
    stem: str  # its beginning if it is a content word, else ""


@dataclass(frozen=True)
class Concepts:
    """The concepts of a text, in its order."""

    found: tuple[tuple[int, int], ...]  # index of the sentence and of the concept
    languages: tuple[int, ...]  # index of each sentence's language; -1 where no word is known
    known: tuple[float, ...]  # share of the words up to each sentence's end that its language knows
    stems: tuple[tuple[int, str], ...]  # where each content word ends, and its stem


class ConceptDictionary:
    """A dictionary that texts are looked up in."""

    def __init__(self, text: str, left_out: Container[str] = ()) -> None:
        """Compile a dictionary's text, without the words of languages whose codes are in `left_out`."""
        self.languages: list[str] = []
        self.concepts: list[str] = []
        self._whole: Entries = {}
        self._starts: Entries = {}
        self._ends: Entries = {}
        self._middles: Entries = {}
        self._unspaced: dict[int, dict[str, list[tuple[str, int]]]] = {}
        self._characters: dict[int, re.Pattern[str]] = {}
        language = -1
        for line in text.splitlines():
            if line.startswith("@"):
                code, _, *characters = line[1:].split()
                language = len(self.languages)
                self.languages.append(code)
                if code in left_out:
                    language = -1
                elif characters:
                    self._unspaced[language] = {}
                    self._characters[language] = re.compile(f"[{characters[0]}]")
            elif line:
                concept, _, entries = line.partition(":")
                if concept not in self.concepts:
                    self.concepts.append(concept)
                if language >= 0:
                    self._add(language, self.concepts.index(concept), entries)
        for by_character in self._unspaced.values():
            for entries_of_character in by_character.values():
                entries_of_character.sort(key=lambda entry: -len(entry[0]))
        self._last_pairs = {entry[-2:] for entry in self._ends}
        self._middle_pairs = {entry[:2] for entry in self._middles}
        function_words = {self.concepts.index(name) for name in _FUNCTION_WORDS & set(self.concepts)}
        self._function_words = {
            word
            for word, matches in self._whole.items()
            if any(
                concept in function_words and not after
                for entries in matches.values()
                for concept, after in entries
            )
        }
        self.match_word = lru_cache(_CACHED_WORDS)(self._match_word)

    def find(self, text: str, ends: Sequence[int]) -> Concepts:
        """Return the concepts of a simplified text whose sentences end at `ends`."""
        words = [(match.end(), self.match_word(match.group())) for match in _WORD.finditer(text)]
        lasts = [bisect_right(words, end, key=_end_of) for end in ends]  # number of words up to each end
        size = len(self.languages)
        joined = b"".join([word.languages for _, word in words])
        knows = np.frombuffer(joined, np.uint8).reshape(-1, size).astype(np.float32)
        up_to_end = np.arange(len(words)) < np.array(lasts)[:, None]
        counts = up_to_end.astype(np.float32) @ knows  # sums of whole numbers, so exact
        stems = [(end, word.stem) for end, word in words if word.stem]
        if not text.isascii() and max(text) >= _FIRST_UNSPACED:
            counts = counts + self._count_unspaced(text, ends)
            stems = sorted(stems + list(_pairs(text)))
        mosts: list[float] = counts.max(1).tolist()
        bests: list[int] = [
            best if most else -1 for best, most in zip(counts.argmax(1).tolist(), mosts, strict=True)
        ]
        found: list[tuple[int, int]] = []
        known: list[float] = []
        first = start = 0
        for sentence, (best, most, last, end) in enumerate(zip(bests, mosts, lasts, ends, strict=True)):
            if best in self._unspaced:
                known.append(1.0)
                found += [(sentence, concept) for concept in self._find_unspaced(best, text, start, end)]
            else:
                known.append(most / max(last, 1))
                found += [
                    (sentence, concept) for concept in _find_spaced(best, text[:end], words[first:last])
                ]
            first, start = last, end
        return Concepts(tuple(found), tuple(bests), tuple(known), tuple(stems))

    def _count_unspaced(self, text: str, ends: Sequence[int]) -> NDArray[np.float64]:
        """Return how many characters of each language written without blanks there are up to each end."""
        counts = np.zeros((len(ends), len(self.languages)))
        for language, characters in self._characters.items():
            weight = _SHARED.get(self.languages[language], 1.0)
            places = [match.end() for match in characters.finditer(text)]
            counts[:, language] = [weight * bisect_right(places, end) for end in ends]
        return counts

    def _find_unspaced(self, language: int, text: str, start: int, end: int) -> Iterator[int]:
        """Yield the concepts of the longest entries from left to right."""
        by_character = self._unspaced[language]
        while start < end:
            length = 0
            for entry, concept in by_character.get(text[start], ()):
                if len(entry) < length:
                    break
                if text.startswith(entry, start, end):
                    yield concept
                    length = len(entry)
            start += length or 1

    def _add(self, language: int, concept: int, entries: str) -> None:
        for entry in unicodedata.normalize("NFKC", entries).casefold().split():
            if language in self._unspaced:
                self._unspaced[language].setdefault(entry[0], []).append((entry, concept))
                continue
            first, _, rest = entry.partition("_")
            word = first.strip("*")
            stem = first.endswith("*") or not (rest or first.startswith("*") or len(word) < SHORTEST_STEM)
            if first.startswith("*"):
                kind = self._middles if stem else self._ends
            else:
                kind = self._starts if stem else self._whole
            after = f" {rest.replace('_', ' ').rstrip('*')}" if rest else ""
            kind.setdefault(word, {}).setdefault(language, []).append((concept, after))

    def _match_word(self, word: str) -> WordMatches:
        """Return the matches of a word: of each language those of the whole word, else of its parts."""
        word = word.strip("'-\u200c")
        found = {language: list(matches) for language, matches in self._whole.get(word, {}).items()}
        whole = {language for language, matches in found.items() if any(not after for _, after in matches)}
        size = min(len(word), _LONGEST_ENTRY)
        parts = [(self._starts, word[:length]) for length in range(size, 0, -1)]
        if word[-2:] in self._last_pairs:
            parts += [(self._ends, word[-length:]) for length in range(size, 1, -1)]
        skips = [skip for skip in range(LONGEST_PREFIX + 1) if word[skip : skip + 2] in self._middle_pairs]
        if skips:
            parts += [(self._middles, word[skip : skip + k]) for k in range(size, 1, -1) for skip in skips]
        longer: set[tuple[int, int]] = set()  # kind of the entry and language
        for kind, part in parts:
            for language, matches in kind.get(part, {}).items():
                if language not in whole and (id(kind), language) not in longer:
                    found.setdefault(language, []).extend(matches)
                    longer.add((id(kind), language))
        concepts = {
            language: [concept for concept, after in matches if not after]
            for language, matches in found.items()
        }
        phrases = {
            language: [match for match in matches if match[1]]
            for language, matches in found.items()
            if any(after for _, after in matches)
        }
        knows = bytearray(len(self.languages))
        for language, alone in concepts.items():
            knows[language] = bool(alone)
        return WordMatches(concepts, phrases, bytes(knows), self._stem(word))

    def _stem(self, word: str) -> str:
        """Return the beginning by which a content word is compared, "" for other words."""
        if not word or word in self._function_words or _UNSPACED.match(word):
            return ""
        if _HANGUL[0] <= word[0] <= _HANGUL[1]:
            return word[:2] if len(word) >= 2 else ""
        return word[:_STEM] if len(word) >= _STEM - 1 else ""


def _pairs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the pairs of characters of scripts without blanks, with their ends."""
    for match in _UNSPACED.finditer(text):
        for end in range(match.start() + 2, match.end() + 1):
            yield end, text[end - 2 : end]


def _end_of(word: tuple[int, WordMatches]) -> int:
    return word[0]


def _find_spaced(language: int, text: str, words: Iterable[tuple[int, WordMatches]]) -> Iterator[int]:
    """Yield the concepts of words with their ends in the text; a phrase has the concepts of no word in it."""
    phrase_end = 0
    for end, matches in words:
        if language not in matches.concepts or end <= phrase_end:
            continue
        if language in matches.phrases:
            phrases = [
                (len(after), concept)
                for concept, after in matches.phrases[language]
                if text.startswith(after, end)
            ]
            if phrases:
                longest = max(phrases)[0]
                phrase_end = end + longest
                yield from (concept for length, concept in phrases if length == longest)
                continue
        yield from matches.concepts[language]


@cache
def load_dictionary(path: Path) -> ConceptDictionary:
    """Return the dictionary in a file.

    Raises:
        ModelError: the file can't be read.
    """
    try:
        return ConceptDictionary(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: must be the dictionary of the judge refusal: {error}") from error
