"""Writing YAML that reads back as it was: what `yaml_file.read` gives is what was written."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from lookahead_ray.text import clean

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Dumper(yaml.SafeDumper):
    """SafeDumper: no anchors, and every text in double quotes that is more than a word."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # a word may still be `true`: PyYAML quotes that by itself, but not 1e-5, which our reader calls a number
    style = None if _WORD.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write(tree: Mapping[str, Any]) -> str:
    """The tree as YAML, a scalar a line however long, without anything that a terminal would obey."""
    text = _dump(tree, allow_unicode=True)
    harmless = all(clean(line) == " ".join(line.split()) for line in text.split("\n"))
    return text if harmless else _dump(tree, allow_unicode=False)


def _dump(tree: Mapping[str, Any], *, allow_unicode: bool) -> str:
    text: str = yaml.dump(
        dict(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=allow_unicode, width=float("inf")
    )
    return text
