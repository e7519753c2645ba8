"""YAML that is written reads back unchanged, whatever values it holds."""

from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.yaml_io import read_yaml, write_yaml

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
