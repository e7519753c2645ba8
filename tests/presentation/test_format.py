import math

import pytest

from lookahead_ray.presentation import format as text


def test_first_line_skips_empty_ones() -> None:
    assert text.first_line("\n  \x1b[0m\nError: x\nmore") == "Error: x"
    assert text.first_line("") == ""


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (-3, "0 s"), (59.6, "1 min 00 s"), (425, "7 min 05 s"), (12_000, "3 h 20 min")],
)
def test_duration(seconds: float, expected: str) -> None:
    assert text.duration(seconds) == expected


def test_figures() -> None:
    assert (text.percent(0.634), text.percent(None), text.percent(math.nan)) == ("63 %", "–", "–")
    assert (text.decimal(-0.5), text.decimal(0.5, 2, signed=True), text.decimal(None)) == (
        "−0.500",
        "+0.50",
        "–",
    )
    assert (text.p_value(0.0002), text.p_value(0.04), text.p_value(math.nan)) == ("<0.001", "0.040", "–")
    assert text.shorten("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ("true, 6 tokens", "true, 6 tokens"),
        ("virtual, “The answer is below.”, share 0.8", "virtual, “The ans…”, share 0.8"),
        ("virtual, “The answer is worked out below.”", "virtual, “The answer is work…”"),
        ("no preview, constrained_sft, safety mix 10 %", "no preview, constrained_sft,…"),
        ("“a”, constrained_sft, safety mix 10 %", "“a”, constrained_sft, safety…"),
        ("virtual, “So, then.”, constrained_sft", "virtual, “S…”, constrained_sft"),
        ("virtual, “So, then.”, constrained_sft, share 0.8", "virtual, “…”, constrained_sft…"),
    ],
)
def test_phrases_of_labels_are_cut_first(label: str, short: str) -> None:
    assert text.shorten_label(label, 30) == short
    assert len(short) <= 30
