"""YAML that is written reads back unchanged, whatever values it holds."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.yaml_io import override, read_yaml, write_yaml
from lookahead_ray.errors import ConfigError

TEXTS = [
    *(
        "",
        " ",
        " lead",
        "trail ",
        "x" * 3000,
        "word " * 600,
        "a\nb\n",
        "a\rb",
        "\ttab",
        "\x1b[31m",
        "\u202eevil",
    ),
    *(
        "\u2028",
        "\x85",
        "\ufeff",
        "数学",
        "مرحبا",
        "😀",
        "'",
        '"',
        "\\",
        "\\n",
        "# no comment",
        "a: b",
        "- a",
    ),
    *(
        "true",
        "null",
        "~",
        "nan",
        ".inf",
        "yes",
        "off",
        "1e-5",
        "1e5",
        "-1E+3",
        ".5e3",
        "0x1f",
        "0o7",
        "1_000",
    ),
    *("12:30:45", "2026-01-01", "<<", "=", "*a", "&a", "!tag", "[1, 2]", "{choice: [a, b]}"),
    *("%", "@", "`", "?", ":", "|", ">"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    tree = {"a": text, "list": [text, {"b": text}]}
    path.write_text(write_yaml(tree), encoding="utf-8")
    assert read_yaml(path) == tree
    assert all(char.isprintable() or char == "\n" for char in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "value", [0, -3, 10**20, 0.1, 1e-05, 1.2e-3, 1e16, 1e300, 5e-324, True, False, None, [], {}, [[1.0], []]]
)
def test_values(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(write_yaml({"a": value}), encoding="utf-8")
    back = read_yaml(path)["a"]
    assert back == value
    assert type(back) is type(value)


def test_no_anchors(tmp_path: Path) -> None:
    shared = [1, 2]
    assert "&" not in write_yaml({"a": shared, "b": shared})


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
MERGED = "b0: &b0 {x: 1}\n" + "".join(
    f"b{i}: &b{i} {{<<: [{', '.join([f'*b{i - 1}'] * 10)}]}}\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (BOMB, "more than 20000 values, those that aliases repeat included"),
        (MERGED, "more than 20000 values"),
        ("model: " + "{a: " * 5000 + "1" + "}" * 5000, "nested too deeply"),
        ("a: [" + "1, " * 20_000 + "1]", "more than 20000 values"),
        ("a: &a [*a]", "an alias must not contain itself"),
        ("a: 2026-13-45", "not valid YAML: month must be in"),
        ("a: " + "9" * 5000, "not valid YAML: Exceeds the limit"),
    ],
    ids=["aliases", "merges", "depth", "length", "itself", "date", "number"],
)
def test_a_bomb_is_refused_in_a_moment(text: str, rule: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    began = time.process_time()
    with pytest.raises(ConfigError, match=re.escape(rule)):
        read_yaml(tmp_path / "a.yaml")
    assert time.process_time() - began < 10


def test_a_bomb_in_an_override_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^--set a=.*: not valid YAML: nested too deeply"):
        override({}, ["a=" + "[" * 500 + "]" * 500])


def test_aliases_and_merges_still_work(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}
