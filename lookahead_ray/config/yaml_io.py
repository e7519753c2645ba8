"""Space files: YAML 1.1 with three pitfalls corrected, and overrides by `--set path=value`.

`read_yaml` restores exactly what `write_yaml` wrote.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lookahead_ray.config.dimension import named_options
from lookahead_ray.errors import ConfigError
from lookahead_ray.sanitize import clean

STRATEGY_FIELDS = ("strategy", "preview")  # where a bare `true` is the name of a preview strategy
MERGE = "tag:yaml.org,2002:merge"

MOST_NODES = 20_000
"""Values of a file, those that aliases repeat counted each time. Without a limit a few lines of aliases of
aliases stand for billions of values."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Loader(yaml.SafeLoader):
    """SafeLoader in which 1e-5 is a number, `strategy: true` a name, and keys are distinct strings."""

    composed = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.composed += 1
        if self.composed > MOST_NODES:
            raise _too_many(self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = key_node.value if key_node.tag == MERGE else loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _refusal(f"a key must be a text, got {key!r}", key_node)
        if key in seen:
            raise _refusal(f"key {key!r} given twice", key_node)
        seen.add(key)
    tree = loader.construct_mapping(node, deep=True)
    return {key: "true" if value is True and key in STRATEGY_FIELDS else value for key, value in tree.items()}


def _refusal(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _too_many(mark: Any) -> yaml.MarkedYAMLError:
    problem = f"more than {MOST_NODES} values, those that aliases repeat included"
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def _check_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Return the number of values that the node stands for with all aliases replaced.

    Args:
        sizes: results so far by the node's id; 0 while it is being counted.

    Raises `yaml.MarkedYAMLError` if they are more than `MOST_NODES`, or if the node contains itself.
    """
    if (known := sizes.get(id(node))) is not None:
        if not known:
            raise _refusal("an alias must not contain itself", node)
        return known
    sizes[id(node)] = 0
    size = 1
    children = node.value if isinstance(node, yaml.CollectionNode) else ()
    for child in children:
        size += sum(_check_size(part, sizes) for part in (child if isinstance(child, tuple) else (child,)))
        if size > MOST_NODES:
            raise _too_many(node.start_mark)
    sizes[id(node)] = size
    return size


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: no such file, not YAML, a duplicate key, or no mapping; names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {_line(error)}") from error
    tree = _parse(text, str(path))
    if not isinstance(tree, dict) or not tree:
        raise ConfigError(f"{path}: must be a mapping of fields to values, got {type(tree).__name__}")
    return tree


def override(tree: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `tree` with each `path.to.field=value` set; values are YAML and may be dimensions.

    Where the field is a choice, the name of an option stands for it (`preview=none`), and a path may go
    through an option (`preview.true.length_tokens=3`), as in the names of dimensions.

    Raises:
        ConfigError: an assignment without `=`, or a path through a value that has no fields.
    """
    result = copy.deepcopy(tree)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise ConfigError(f"--set {assignment}: must have the form path=value, such as training.epochs=2")
        node = _parent(result, keys, assignment)
        value = _parse(text, f"--set {assignment}")
        value = "true" if value is True and keys[-1] in STRATEGY_FIELDS else value
        if isinstance(value, str):
            value = _option(node.get(keys[-1]), value, f"--set {assignment}: {path.strip()}")
        node[keys[-1]] = value
    return result


def _option(before: Any, value: str, where: str) -> Any:
    """Return the option called `value` of a choice of mappings; `value` where the field was none."""
    options = named_options(before)
    if value in options:
        return copy.deepcopy(options[value])
    if options and len(options) == len(before["choice"]):
        raise ConfigError(
            f"{where}: must be a mapping or the name of an option, {list(options)}, got {value!r}"
        )
    return value


def _parent(tree: dict[str, Any], keys: Sequence[str], assignment: str) -> dict[str, Any]:
    """Return the mapping in `tree` that the last key belongs to; those that are missing are added."""
    node, depth = tree, 0
    while depth < len(keys) - 1:
        node = node.setdefault(keys[depth], {})
        depth += 1
        path = ".".join(keys[:depth])
        if not isinstance(node, dict):
            raise ConfigError(f"--set {assignment}: {path} holds no fields, it is {node!r}")
        if set(node) == {"choice"}:
            options = named_options(node)
            if depth == len(keys) - 1 or keys[depth] not in options:
                fields = "".join(f", or a field of {path}.{name}" for name in options)
                rule = f"{path} is a search dimension; set {path} as a whole{fields}"
                raise ConfigError(f"--set {assignment}: {rule}")
            node = options[keys[depth]]
            depth += 1
    return node


def _parse(text: str, source: str) -> Any:
    try:
        return _load(text)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise ConfigError(f"{source}:{line} not valid YAML: {error.problem}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: not valid YAML: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise ConfigError(f"{source}: not valid YAML: {_line(error)}") from error


def _load(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Dumper(yaml.SafeDumper):
    """SafeDumper that writes no anchors and puts every string that is not a single word in double quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML quotes a word such as `true`, but not 1e-5, which this module's loader reads as a number
    style = None if _WORD.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write_yaml(tree: Mapping[str, Any]) -> str:
    """Return the tree as YAML, without line wrapping and without characters that control a terminal."""
    text = _dump(tree, allow_unicode=True)
    harmless = all(clean(line) == " ".join(line.split()) for line in text.split("\n"))
    return text if harmless else _dump(tree, allow_unicode=False)


def _dump(tree: Mapping[str, Any], *, allow_unicode: bool) -> str:
    text: str = yaml.dump(
        dict(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=allow_unicode, width=float("inf")
    )
    return text
