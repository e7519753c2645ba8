"""Display of untrusted text: no hidden characters, no reversed direction, no markup."""

import html
import re
import textwrap
import unicodedata

UNUSUAL = re.compile(r"[^\n\t\x20-\x7e]")
HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories that are not displayed: control, format (bidirectional overrides too), surrogate,
private, unassigned; line and paragraph separators."""


def visible(text: str) -> str:
    """Return `text` with ⟨U+202E⟩ for each invisible character, except line feeds and tabs."""
    return UNUSUAL.sub(_shown, text)


def cut(text: str, longest: int) -> tuple[str, int]:
    """Return at most `longest` characters of `text`, made visible, and the number of characters cut."""
    return visible(text[:longest]), max(len(text) - longest, 0)


def short(text: str, longest: int = 60) -> str:
    """Return the text as one visible line of at most `longest` characters."""
    line = visible(" ".join(text[: 8 * longest].split()))
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def for_plotly(text: str, width: int = 60) -> str:
    """Return `text` for plotly, which renders some tags: visible, escaped, wrapped at `width` with <br>."""
    lines = [part for line in visible(text).split("\n") for part in textwrap.wrap(line, width) or [""]]
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    return f"⟨U+{ord(character):04X}⟩" if unicodedata.category(character) in HIDDEN else character
