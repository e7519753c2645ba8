"""Untrusted strings in terminals and pictures."""

import pytest

from lookahead_ray import sanitize


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain", "plain"),
        (" two\n lines\t", "two lines"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1bb", "ab"),
        ("a\u202eb\u200bc\x00d\x9be\ud800", "abcde"),
        ("数学 ünï", "数学 ünï"),
    ],
)
def test_clean_leaves_one_harmless_line(given: str, expected: str) -> None:
    assert sanitize.clean(given) == expected


def test_visible_keeps_spaces() -> None:
    assert sanitize.visible("rows   3\x1b[2J") == "rows   3"
