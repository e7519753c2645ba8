"""Fonts of phrases in other scripts, with and without an installed font."""

from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.presentation import fonts, tradeoff_plot
from lookahead_ray.presentation.fonts import BASE, choose_fonts
from lookahead_ray.presentation.label_placement import PointLabel
from lookahead_ray.presentation.tradeoff_plot import draw_tradeoff
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from tests.presentation.records import record, virtual

ARABIC, THAI, CHINESE = "لنبدأ الآن", "เริ่มกันเลย", "我们开始吧"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only the fonts that come with matplotlib."""
    shipped = [entry for entry in fonts.fontManager.ttflist if "mpl-data" in entry.fname]
    monkeypatch.setattr(fonts.fontManager, "ttflist", shipped)
    monkeypatch.setattr(fonts, "findSystemFonts", list)


@pytest.mark.parametrize("text", ["Let's go – 3 × 4…", "Начнём", "Ξεκινάμε", ARABIC, "נתחיל", ""])
def test_matplotlibs_font_has_many_scripts(text: str, bare: None) -> None:
    found = choose_fonts([text])
    assert (found.families, found.missing, found.note([text])) == ((BASE,), frozenset(), None)


@pytest.mark.parametrize(
    ("text", "script", "package"),
    [
        (CHINESE, "Chinese or Japanese", "fonts-noto-cjk"),
        ("はじめ", "Japanese", "fonts-noto-cjk"),
        ("시작", "Korean", "fonts-noto-cjk"),
        (THAI, "Thai", "fonts-noto-core"),
        ("चलिए", "Devanagari", "fonts-noto-core"),
    ],
)
def test_a_missing_font_is_named(text: str, script: str, package: str, bare: None) -> None:
    found = choose_fonts(["fine", text])
    assert found.can_show("fine")
    assert not found.can_show(text)
    note = found.note(["fine", text])
    assert note
    assert f"no installed font shows {text} ({script})" in note
    assert package in note


def test_installed_fonts_are_used_where_they_are_needed(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    offers = [("Serif Han", set(CHINESE[:3])), ("Sans Han", set(CHINESE)), ("Sans Thai", set(THAI))]
    monkeypatch.setattr(fonts, "_offers", lambda wanted: offers)
    assert choose_fonts([CHINESE, THAI]).families == (BASE, "Sans Thai", "Sans Han")
    assert choose_fonts([CHINESE]).families == (BASE, "Sans Han")
    assert choose_fonts(["plain"]).families == (BASE,)


@pytest.mark.filterwarnings("error")
def test_labels_without_a_font_are_trial_ids(
    bare: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    placed: list[str] = []

    def place(ax: Any, renderer: Any, labels: list[PointLabel]) -> None:
        placed.extend(label.text for label in labels)

    monkeypatch.setattr(tradeoff_plot, "place_labels", place)
    records = [record("search-001", preview=virtual(CHINESE)), record("search-002", preview=virtual(ARABIC))]
    (line,) = draw_tradeoff(records, Recommendation(None, "", (), ()), tmp_path / "picture.png")
    assert line.startswith("picture: no installed font shows")
    assert set(placed) == {"search-001", f"“{ARABIC}”"}
