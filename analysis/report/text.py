"""Untrusted text, made visible: nothing in it may hide, turn round or be taken for markup."""

import html
import re
import textwrap
import unicodedata

UNUSUAL = re.compile(r"[^\n\t\x20-\x7e]")
HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Control, format (bidirectional overrides too), surrogate, private, unassigned; line and paragraph ends."""


def visible(text: str) -> str:
    """`text` with ⟨U+202E⟩ for each character that doesn't show, line feeds and tabs excepted."""
    return UNUSUAL.sub(_shown, text)


def cut(text: str, longest: int) -> tuple[str, int]:
    """At most `longest` characters of `text`, made visible, and how many characters were cut."""
    return visible(text[:longest]), max(len(text) - longest, 0)


def short(text: str, longest: int = 60) -> str:
    """One visible line of at most `longest` characters."""
    line = visible(" ".join(text[: 8 * longest].split()))
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def for_plotly(text: str, width: int = 60) -> str:
    """`text` for plotly, which takes some tags for markup: visible, escaped, wrapped at `width` with <br>."""
    lines = [part for line in visible(text).split("\n") for part in textwrap.wrap(line, width) or [""]]
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    return f"⟨U+{ord(character):04X}⟩" if unicodedata.category(character) in HIDDEN else character
