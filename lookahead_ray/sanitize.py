"""Sanitising of untrusted strings for terminals and pictures. Standard library only."""

import re
import unicodedata

ANSI_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def clean(text: str) -> str:
    """Return the text as one line without escape sequences, invisible characters or runs of spaces.

    Prefixes, answers and error messages come from files and models; they must not control a terminal.
    """
    return " ".join(visible(" ".join(ANSI_SEQUENCE.sub("", text).split())).split())


def visible(line: str) -> str:
    """Return the line without escape sequences and invisible characters; spaces are kept."""
    line = ANSI_SEQUENCE.sub("", line).expandtabs()
    # Cc, Cf, Cs, Co, Cn: control, format (bidirectional overrides too), surrogate, private, unassigned
    return "".join(c for c in line if not unicodedata.category(c).startswith("C"))
