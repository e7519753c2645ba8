"""Text for terminals: lines cut to fit, figures made readable. Standard library only."""

import math

from lookahead_ray.sanitize import clean


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
