"""Formatting of text and numbers for terminals. Standard library only."""

import math

from lookahead_ray.sanitize import clean


def first_line(text: str) -> str:
    """Return the first line that is not blank, cleaned."""
    return next((line for line in map(clean, text.splitlines()) if line), "")


def shorten(text: str, width: int) -> str:
    """Return at most `width` characters of the text; a cut is marked with an ellipsis."""
    return text if len(text) <= width else text[: max(width - 1, 0)].rstrip() + "…"


def shorten_label(label: str, width: int) -> str:
    """Return at most `width` characters of a trial's label.

    A phrase in quotes is cut first, so that what follows it, such as a share, can still be read.
    """
    head, quote, tail = label.rpartition("”")
    begin = head.find("“") + 1
    if len(label) <= width or not quote or len(head) <= begin + 1:
        return shorten(label, width)
    cut = max(width - len(tail) - 2, begin)  # the ellipsis and the quote
    return shorten(f"{head[:cut].rstrip()}…{quote}{tail}", width)


def duration(seconds: float) -> str:
    """Return a duration as `42 s`, `7 min 05 s` or `3 h 20 min`."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(share: float | None) -> str:
    """Return a share in 0..1 as whole percent, or a dash."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.0f} %"


def decimal(value: float | None, places: int = 3, signed: bool = False) -> str:
    """Return a number with fixed decimals and a typographic minus sign, or a dash."""
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:+.{places}f}" if signed else f"{value:.{places}f}"
    return text.replace("-", "−")


def p_value(value: float) -> str:
    """Return a p-value with three decimals, `<0.001` for smaller ones, or a dash."""
    if math.isnan(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"
