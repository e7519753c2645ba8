"""Text for terminals: untrusted strings made harmless, figures made readable. Standard library only."""

import math
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


def first_line(text: str) -> str:
    """The first line with something on it, cleaned."""
    return next((line for line in map(clean, text.splitlines()) if line), "")


def shorten(text: str, width: int) -> str:
    """At most `width` characters, the cut marked."""
    return text if len(text) <= width else text[: max(width - 1, 0)].rstrip() + "…"


def duration(seconds: float) -> str:
    """`42 s`, `7 min 05 s`, `3 h 20 min`."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(share: float | None) -> str:
    """A share in 0..1 as whole percent, or a dash."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.0f} %"


def decimal(value: float | None, places: int = 3, signed: bool = False) -> str:
    """Fixed decimals with a proper minus sign, or a dash."""
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:+.{places}f}" if signed else f"{value:.{places}f}"
    return text.replace("-", "−")


def p_value(value: float) -> str:
    """Three decimals; what is smaller is said to be."""
    if math.isnan(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"
