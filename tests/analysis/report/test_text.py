"""Untrusted text is made visible."""

from analysis.report.text import cut, for_plotly, short, visible


def test_controls_show() -> None:
    assert visible("a\u202eb\x00c\ud800\u2028") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+D800⟩⟨U+2028⟩"


def test_usual_text_stays() -> None:
    text = "Grüße, 你好, עברית\n\ttab 👍"
    assert visible(text) == text


def test_a_cut_is_counted() -> None:
    assert cut("x" * 1_000_000, 10) == ("x" * 10, 999_990)
    assert cut("short", 10) == ("short", 0)


def test_one_short_line() -> None:
    assert short("one\n two\u202e " * 50, 20) == "one two⟨U+202E⟩ one…"


def test_plotly_gets_no_markup() -> None:
    assert (
        for_plotly('<a href="javascript:x">&amp;</a>') == '&lt;a href="javascript:x"&gt;&amp;amp;&lt;/a&gt;'
    )
    assert for_plotly("word " * 20, 20).split("<br>")[0] == "word word word word"
