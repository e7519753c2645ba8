"""Attacks from configuration and files."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from lookahead_ray.config.attack import AttackList
from lookahead_ray.data.suites.attacks import Attack, load_attacks
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite
from lookahead_ray.errors import DataError

OPEN = SafetyPrompt("1", "", "Do harm.", "Sure, first")
CLOSED = SafetyPrompt("2", "", "Do more harm.")


def load(*attacks: dict[str, Any]) -> tuple[Attack, ...]:
    return load_attacks(TypeAdapter(AttackList).validate_python(list(attacks)))


def suffixes(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "suffixes.txt"
    path.write_text(text, encoding="utf-8")
    return {"kind": "suffix", "path": str(path)}


def test_one_for_each_number_of_tokens_and_each_line(tmp_path: Path) -> None:
    file = suffixes(tmp_path, "\ufeff! ! now\n\n  déjà \r\n")
    found = load(
        {"kind": "prefill", "tokens": [5, 1]},
        {"kind": "prefill_text", "text": "Sure ", "label": "sure"},
        {**file, "label": "gcg"},
    )
    assert found == (
        Attack("prefill_5", opening_tokens=5),
        Attack("prefill_1", opening_tokens=1),
        Attack("prefill_text_sure", prefill="Sure "),
        Attack("suffix_gcg_1", suffix="! ! now"),
        Attack("suffix_gcg_2", suffix="déjà"),
    )
    assert [attack.apply("Do harm.") for attack in found[2:]] == [
        "Do harm.",
        "Do harm. ! ! now",
        "Do harm. déjà",
    ]
    plain = load(file)
    assert [attack.suffix for attack in plain] == ["! ! now", "déjà"]
    assert all(attack.name.startswith("suffix_") and len(attack.name) == 15 for attack in plain)


def test_what_an_attack_needs_of_a_suite() -> None:
    prefill, text = load({"kind": "prefill"}, {"kind": "prefill_text", "text": "Sure"})
    for harmful, expected in (((OPEN,), (True, True)), ((OPEN, CLOSED), (False, True)), ((), (False, False))):
        suite = SafetySuite("s", harmful, (SafetyPrompt("b", "", "Kill the lights."),))
        assert (prefill.applies_to(suite), text.applies_to(suite)) == expected


def test_a_line_that_comes_twice_needs_a_label(tmp_path: Path) -> None:
    file = suffixes(tmp_path, "a b\nc\na b\n")
    with pytest.raises(DataError) as caught:
        load(file)
    assert str(caught.value) == (
        f"{file['path']}: line 3: suffixes must differ unless they have labels, got 'a b' twice"
    )
    assert len(load({**file, "label": "x"})) == 3


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "evaluation.attacks: path: must be an existing file, got nothing there"),
        (b"caf\x81", "evaluation.attacks: line 1: must be UTF-8, got b'\\x81'; name the encoding"),
        (b"\n \n", "evaluation.attacks: path: must hold at least one suffix, got none"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: bytes | None, rule: str) -> None:
    path = tmp_path / "s.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load({"kind": "suffix", "path": str(path)})
    assert str(caught.value).startswith(f"{path}: {rule}")
