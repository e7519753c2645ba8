"""Search dimensions: in a space file, a dimension is written in place of the value.

    length_tokens: {int: [1, 12]}               whole numbers, both ends included
    weight_decay: {uniform: [0.0, 0.1]}         real numbers
    learning_rate: {loguniform: [1e-5, 3e-4]}   real numbers, uniform in the logarithm
    prefix: {choice: ["Let's see. ", "So, "]}   one of a list

The options of a choice may contain dimensions themselves. Such a dimension exists only in trials that use the
option, which makes the space conditional:

    preview:
      choice:
        - {strategy: true, length_tokens: {int: [1, 12]}}
        - {strategy: virtual, prefix: {choice: [...]}}

The dimensions of this space are named `preview`, `preview.true.length_tokens` and `preview.virtual.prefix`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lookahead_ray.errors import ConfigError

KINDS = ("int", "uniform", "loguniform", "choice")
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Range:
    """A numeric dimension; both `low` and `high` are included."""

    name: str
    kind: Literal["int", "uniform", "loguniform"]
    low: float
    high: float

    @property
    def middle(self) -> int | float:
        """Return the default value in reference trials: the middle of the range, geometric for loguniform."""
        if self.kind == "loguniform":
            return math.sqrt(self.low * self.high)
        return int(self.low + self.high) // 2 if self.kind == "int" else (self.low + self.high) / 2

    def __str__(self) -> str:
        return f"{self.name}: {self.kind} from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A categorical dimension; `options[i]` is the file's value for `labels[i]`."""

    name: str
    labels: tuple[Value, ...]
    options: tuple[Any, ...]

    def option(self, label: Value) -> Any:
        """Return the option with this label. Raises ValueError if there is none."""
        for known, option in zip(self.labels, self.options, strict=True):
            if known == label and type(known) is type(label):
                return option
        raise ValueError(f"must be one of {list(self.labels)}, got {label!r}")

    def __str__(self) -> str:
        return f"{self.name}: one of {', '.join(repr(label) for label in self.labels)}"


Dimension = Range | Choice
Suggest = Callable[[Dimension], Value]
"""Function that picks a value: a number for a range, one of the labels for a choice."""


def substitute(tree: Any, suggest: Suggest, path: str = "") -> Any:
    """Return `tree` with each dimension, also in chosen options, replaced by the value from `suggest`.

    Raises:
        ConfigError: a dimension is malformed; the message begins with its path.
    """
    dimension = _parse(tree, path)
    if isinstance(dimension, Range):
        return suggest(dimension)
    if isinstance(dimension, Choice):
        label = suggest(dimension)
        option = dimension.option(label)
        return substitute(option, suggest, f"{path}.{label}") if isinstance(option, dict) else option
    if isinstance(tree, dict):
        return {
            key: substitute(value, suggest, f"{path}.{key}" if path else key) for key, value in tree.items()
        }
    return tree


def dimensions(tree: Any, path: str = "") -> Iterator[Dimension]:
    """Yield all dimensions, also those of all options, in the file's order.

    Raises ConfigError as `substitute` does.
    """
    dimension = _parse(tree, path)
    if dimension is not None:
        yield dimension
        if isinstance(dimension, Choice):
            for label, option in zip(dimension.labels, dimension.options, strict=True):
                if isinstance(option, dict):
                    yield from dimensions(option, f"{path}.{label}")
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from dimensions(value, f"{path}.{key}" if path else str(key))


def with_parents(point: Mapping[str, Any], known: Sequence[Dimension]) -> dict[str, Any]:
    """Return the point with the options of choices in which its dimensions exist.

    Args:
        known: all dimensions of the space.

    Raises:
        ValueError: a dimension exists in another option than the one that the point has.
    """
    found = dict(point)
    choices = [dimension for dimension in known if isinstance(dimension, Choice)]
    for name in point:
        for choice in choices:
            for label in choice.labels:
                if not name.startswith(f"{choice.name}.{label}."):
                    continue
                if found.setdefault(choice.name, label) != label:
                    raise ValueError(f"{name} needs {choice.name}: {label}, got {found[choice.name]!r}")
    return found


def corners(tree: Any) -> Iterator[Any]:
    """Yield trees that together contain every option and both ends of every range.

    They suffice to check the bounds of all fields.
    """
    found: list[Dimension | None] = list(dimensions(tree))
    seen = set()
    for target in found or [None]:
        values = [None] if target is None else target.labels if isinstance(target, Choice) else _ends(target)
        for value in values:
            corner = substitute(tree, lambda d, t=target, v=value: _corner(d, t, v))  # type: ignore[misc]
            key = repr(corner)
            if key not in seen:
                seen.add(key)
                yield corner


def _corner(dimension: Dimension, target: Dimension | None, value: Value) -> Value:
    """Return `value` for the target; else the label on the path to it, the first label or the low end."""
    if target is not None and dimension.name == target.name:
        return value
    if isinstance(dimension, Range):
        return _ends(dimension)[0]
    for label in dimension.labels:
        if target is not None and target.name.startswith(f"{dimension.name}.{label}."):
            return label
    return dimension.labels[0]


def _ends(dimension: Range) -> tuple[Value, Value]:
    if dimension.kind == "int":
        return int(dimension.low), int(dimension.high)
    return dimension.low, dimension.high


def _parse(tree: Any, path: str) -> Dimension | None:
    """Return the dimension at `path`, or None for an ordinary value."""
    if not isinstance(tree, dict) or len(tree) != 1:
        return None
    kind, body = next(iter(tree.items()))
    if kind not in KINDS:
        return None
    if not path:
        raise ConfigError(f"a space can't be one dimension, got {tree!r}")
    return _parse_choice(path, body) if kind == "choice" else _parse_range(path, kind, body)


def _parse_range(path: str, kind: Any, body: Any) -> Range:
    numbers = body if isinstance(body, list) else []
    wanted = int if kind == "int" else (int, float)
    if len(numbers) != 2 or any(isinstance(n, bool) or not isinstance(n, wanted) for n in numbers):
        noun = "whole numbers" if kind == "int" else "numbers"
        raise ConfigError(f"{path}: {kind} needs two {noun} [low, high], got {body!r}")
    low, high = numbers
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{path}: {kind} needs finite numbers, got {body!r}")
    if low >= high:
        raise ConfigError(f"{path}: empty search range, low must be below high, got {body!r}")
    if kind == "loguniform" and low <= 0:
        raise ConfigError(f"{path}: loguniform needs numbers above 0, got {body!r}")
    return Range(path, kind, low, high)


def _parse_choice(path: str, body: Any) -> Choice:
    if not isinstance(body, list) or not body:
        raise ConfigError(f"{path}: empty search range, choice needs a list of options, got {body!r}")
    labels = tuple(_label(option, index) for index, option in enumerate(body))
    repeated = next((label for index, label in enumerate(labels) if label in labels[:index]), None)
    if repeated is not None:
        if all(not isinstance(option, dict) for option in body):
            raise ConfigError(f"{path}: options of a choice must differ, got {repeated!r} twice")
        labels = tuple(str(index) for index in range(len(body)))
    return Choice(path, labels, tuple(body))


def _label(option: Any, index: int) -> Value:
    """Return the label of an option: a scalar itself, a mapping's `strategy` or `name`, else the index."""
    if isinstance(option, dict):
        return name_of(option) or str(index)
    if isinstance(option, list):
        return str(index)
    scalar: Value = option
    return scalar


def name_of(option: Any) -> str | None:
    """Return the name by which points and overrides know an option; None if it is no mapping or has none."""
    tag = option.get("strategy", option.get("name")) if isinstance(option, dict) else None
    return None if tag is None else str(tag).lower() if isinstance(tag, bool) else str(tag)


def named_options(tree: Any) -> dict[str, dict[str, Any]]:
    """Return the options of a choice in a space file that have a name of their own."""
    options = tree.get("choice") if isinstance(tree, dict) and len(tree) == 1 else None
    names = [name_of(option) for option in options] if isinstance(options, list) else []
    return {
        name: option
        for name, option in zip(names, options or (), strict=False)
        if name is not None and names.count(name) == 1
    }
