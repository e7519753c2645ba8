"""Untrusted strings, made harmless for terminals and pictures. Standard library only."""

import re
import unicodedata

ANSI_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def clean(text: str) -> str:
    """One line without escape sequences, invisible characters or runs of spaces.

    Prefixes, answers and error messages come from files and models; a terminal must not obey them.
    """
    return " ".join(visible(" ".join(ANSI_SEQUENCE.sub("", text).split())).split())


def visible(line: str) -> str:
    """A line as `clean` leaves it, its spaces untouched."""
    line = ANSI_SEQUENCE.sub("", line).expandtabs()
    # Cc, Cf, Cs, Co, Cn: control, format (bidirectional overrides too), surrogate, private, unassigned
    return "".join(c for c in line if not unicodedata.category(c).startswith("C"))
