"""Fonts for texts in any script: installed fonts that have their characters, and what no font has."""

import logging
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from matplotlib import rc_context
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager
from matplotlib.ft2font import FT2Font

BASE = "DejaVu Sans"
"""The font that comes with matplotlib; it has Latin, Greek, Cyrillic, Hebrew and Arabic."""
PLACEHOLDERS = "Last Resort"  # a font of boxes that matplotlib brings
SCRIPTS = {
    "CJK": ("Chinese or Japanese", "fonts-noto-cjk"),
    "HIRAGANA": ("Japanese", "fonts-noto-cjk"),
    "KATAKANA": ("Japanese", "fonts-noto-cjk"),
    "HANGUL": ("Korean", "fonts-noto-cjk"),
}
"""First word of a character's Unicode name -> the script's name, and a Debian package with a font."""
OTHER_PACKAGE = "fonts-noto-core"


@dataclass(frozen=True)
class Fonts:
    """Font families in the order in which a character is looked up, and the characters that none has."""

    families: tuple[str, ...]
    missing: frozenset[str]

    def can_show(self, text: str) -> bool:
        """Return whether each character of the text is in a font."""
        return not self.missing & set(text)

    def note(self, texts: Iterable[str], instead: str = "its labels are trial ids") -> str | None:
        """Return a line that names a text without a font and a package with one; None if there is none.

        `instead` says what the picture shows in its place.
        """
        text = next((text for text in texts if not self.can_show(text)), None)
        if text is None:
            return None
        character = next(character for character in text if character in self.missing)
        script, package = _script(character)
        return (
            f"no installed font shows {text} ({script}), so {instead}; install a font, such as the one of "
            f"the Debian package {package}"
        )


def choose_fonts(texts: Iterable[str]) -> Fonts:
    """Return `BASE` and the installed fonts that its missing characters need."""
    left = {character for text in texts for character in text if _is_drawn(character)}
    left -= _characters(findfont(FontProperties(family=BASE)))
    families = [BASE]
    offers = _offers(left) if left else []
    while left and offers:
        family, has = max(offers, key=lambda offer: (len(offer[1] & left), "Sans" in offer[0], offer[0]))
        if not has & left:
            break
        families.append(family)
        left -= has
    return Fonts(tuple(families), frozenset(left))


@contextmanager
def drawing_with(fonts: Fonts, style: Mapping[str, Any] = MappingProxyType({})) -> Iterator[None]:
    """Draw with the fonts, and with other settings of matplotlib, in the block.

    Nothing is logged or warned of: families of a single weight are fine, and `Fonts.note` says what no font
    shows.
    """
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    settings: Any = {**style, "font.family": list(fonts.families)}
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def _offers(wanted: set[str]) -> list[tuple[str, set[str]]]:
    """Return the upright fonts that have some of the characters, with those; newly installed ones too."""
    known = {entry.fname for entry in fontManager.ttflist}
    for path in findSystemFonts():
        if path not in known:
            try:
                fontManager.addfont(path)
            except (OSError, RuntimeError, ValueError):
                continue  # a format that matplotlib does not read
    found: dict[str, set[str]] = {}
    for entry in fontManager.ttflist:
        if entry.style == "normal" and not entry.name.startswith(PLACEHOLDERS) and entry.name not in found:
            has = wanted & _characters(entry.fname)
            if has:
                found[entry.name] = has
    return list(found.items())


def _characters(path: str | Path) -> set[str]:
    try:
        return set(map(chr, FT2Font(str(path)).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return set()


def _is_drawn(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Cn")


def _script(character: str) -> tuple[str, str]:
    word = unicodedata.name(character, "UNKNOWN").split()[0]
    return SCRIPTS.get(word, (word.capitalize(), OTHER_PACKAGE))
