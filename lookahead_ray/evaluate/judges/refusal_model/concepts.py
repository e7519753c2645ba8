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
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from lookahead_ray.errors import ModelError

SHORTEST_STEM = 5
"""Number of characters from which an entry is the beginning of a word."""

LONGEST_PREFIX = 4
"""Number of characters, such as those of an article, that may precede `*middle*`."""

_LONGEST_ENTRY = 16
_CACHED_WORDS = 1 << 15
_FIRST_UNSPACED = "\u0e00"  # Thai; no script that is written without blanks comes earlier in Unicode
_SHARED = {"zh": 0.3}  # weight of a character that another language is written with too
_SEPARATORS = r"\s.,;:!?()\[\]{}\"…。！？，、؟،؛।۔/|<>=+#\-–—"
_WORD = re.compile(rf"[^{_SEPARATORS}]+(?:-[^{_SEPARATORS}]+)*")

Match = tuple[int, str]
"""Index of a concept, and what must follow the word."""

Matches = dict[int, list[Match]]
"""The matches of a word, by the index of the language."""


@dataclass(frozen=True)
class Concepts:
    """The concepts of a text, in its order."""

    found: tuple[tuple[int, int], ...]  # index of the sentence and of the concept
    languages: tuple[int, ...]  # index of each sentence's language; -1 where no word is known
    known: tuple[float, ...]  # share of the words up to each sentence's end that its language knows


class ConceptDictionary:
    """A dictionary that texts are looked up in."""

    def __init__(self, text: str, left_out: Container[str] = ()) -> None:
        """Compile a dictionary's text, without the languages whose codes are in `left_out`."""
        self.languages: list[str] = []
        self.concepts: list[str] = []
        self._whole: dict[str, Matches] = {}
        self._starts: dict[str, Matches] = {}
        self._ends: dict[str, Matches] = {}
        self._middles: dict[str, Matches] = {}
        self._unspaced: dict[int, dict[str, list[tuple[str, int]]]] = {}
        self._characters: dict[int, re.Pattern[str]] = {}
        language = -1
        for line in text.splitlines():
            if line.startswith("@"):
                code, _, *characters = line[1:].split()
                language = -1 if code in left_out else len(self.languages)
                if language >= 0:
                    self.languages.append(code)
                    if characters:
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
        self.match_word = lru_cache(_CACHED_WORDS)(self._match_word)

    def find(self, text: str, ends: Sequence[int]) -> Concepts:
        """Return the concepts of a simplified text whose sentences end at `ends`."""
        words = [(match.end(), self.match_word(match.group())) for match in _WORD.finditer(text)]
        may_be_unspaced = max(text, default="") >= _FIRST_UNSPACED
        counts = [0.0] * len(self.languages)
        found: list[tuple[int, int]] = []
        languages: list[int] = []
        known: list[float] = []
        at = start = 0
        for sentence, end in enumerate(ends):
            first = at
            while at < len(words) and words[at][0] <= end:
                for language in words[at][1]:
                    counts[language] += 1
                at += 1
            if may_be_unspaced:
                for language, characters in self._characters.items():
                    weight = _SHARED.get(self.languages[language], 1.0)
                    counts[language] += weight * len(characters.findall(text, start, end))
            most = max(counts, default=0.0)
            best = counts.index(most) if most else -1
            if best in self._unspaced:
                found += [(sentence, concept) for concept in self._find_unspaced(best, text, start, end)]
            elif most:
                found += [(sentence, concept) for concept in _find_spaced(best, text[:end], words[first:at])]
            languages.append(best)
            known.append(1.0 if best in self._unspaced else most / max(at, 1))
            start = end
        return Concepts(tuple(found), tuple(languages), tuple(known))

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

    def _match_word(self, word: str) -> Matches:
        """Return the matches of a word: of each language those of the whole word, else of the longest parts."""
        word = word.strip("'-\u200c")
        found: Matches = {language: list(matches) for language, matches in self._whole.get(word, {}).items()}
        whole = {language for language, matches in found.items() if any(not after for _, after in matches)}
        sizes = range(min(len(word), _LONGEST_ENTRY), 0, -1)
        skips = range(LONGEST_PREFIX + 1)
        for kind, parts in (
            (self._starts, [word[:size] for size in sizes]),
            (self._ends, [word[-size:] for size in sizes]),
            (self._middles, [word[skip : skip + size] for size in sizes for skip in skips]),
        ):
            longer = set(whole)
            for part in parts:
                for language, matches in kind.get(part, {}).items():
                    if language not in longer:
                        found.setdefault(language, []).extend(matches)
                        longer.add(language)
        return found


def _find_spaced(language: int, text: str, words: Sequence[tuple[int, Matches]]) -> Iterator[int]:
    """Yield the concepts of words that end at a place of the text; words of a phrase have only the phrase's."""
    phrase_end = 0
    for end, matches in words:
        mine = matches.get(language)
        if not mine or end <= phrase_end:
            continue
        phrases = [(len(after), concept) for concept, after in mine if after and text.startswith(after, end)]
        if phrases:
            longest = max(phrases)[0]
            phrase_end = end + longest
            yield from (concept for length, concept in phrases if length == longest)
        else:
            yield from (concept for concept, after in mine if not after)


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
