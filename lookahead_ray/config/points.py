"""Points of a space file, such as those to try first, in the space that overrides have left of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lookahead_ray.config.dimension import (
    Choice,
    Dimension,
    Range,
    Value,
    dimensions,
    name_of,
    named_options,
    with_parents,
)
from lookahead_ray.errors import ConfigError

_MISSING = object()


def fit_points(
    search: Mapping[str, Any], file_space: Mapping[str, Any], space: Mapping[str, Any]
) -> tuple[dict[str, Any], int]:
    """Return the fields of `search` with its points in terms of `space`, and how many points were left out.

    An override such as `preview=none` fixes a dimension. The points to try first that have its value stay,
    without it; the others are left out. The point of the reference trials only loses such dimensions.
    Points that are no mapping, and names that the file's space doesn't have, stay and are refused later.

    Args:
        search: fields of `search` in the file.
        file_space: a trial's tree with dimensions, as the file has it.
        space: the same with the overrides.
    """
    try:
        before, after = list(dimensions(file_space)), {each.name: each for each in dimensions(space)}
    except ConfigError:  # which the space's own check tells better
        return dict(search), 0
    carry = _Carry({each.name: each for each in before}, after, space, _find_prefixes(before, after, space))
    fitted = dict(search)
    points, left_out = search.get("enqueue"), 0
    if isinstance(points, list) and all(isinstance(point, dict) for point in points):
        kept = [carry.point(point) for point in points]
        left_out = kept.count(None)
        found = [point for point in kept if point is not None]
        fitted["enqueue"] = [point for index, point in enumerate(found) if point not in found[:index]]
    if isinstance(reference := search.get("reference"), dict):
        fitted["reference"] = carry.reference(reference)
    return fitted, left_out


@dataclass(frozen=True)
class _Carry:
    before: Mapping[str, Dimension]
    after: Mapping[str, Dimension]
    space: Mapping[str, Any]
    prefixes: Mapping[str, str]  # of the names of dimensions in a fixed option: in the file's space -> now

    def point(self, point: Mapping[str, Value]) -> dict[str, Value] | None:
        """Return the point in the dimensions of now; None if an override has given one another value."""
        try:
            whole = with_parents(point, list(self.before.values()))
        except ValueError:
            return dict(point)
        fitted: dict[str, Value] = {}
        for name, value in whole.items():
            now = _rename(name, self.prefixes)
            if name not in self.before:
                fitted[name] = value
            elif now in self.after:
                if not self._may_have(name, now, value):
                    return None
                fitted[now] = value
            elif not _is_fixed_to(_value_at(self.space, now), self.before[name], value):
                return None
        return dict(point) if fitted == whole else fitted

    def reference(self, reference: Mapping[str, Value]) -> dict[str, Value]:
        """Return the reference values of the dimensions that are left."""
        fitted: dict[str, Value] = {}
        for name, value in reference.items():
            now = _rename(name, self.prefixes)
            if name not in self.before or (now in self.after and self._may_have(name, now, value)):
                fitted[now] = value
        return fitted

    def _may_have(self, name: str, now: str, value: Value) -> bool:
        """Return whether the value is allowed, or was not in the file either, which is refused later."""
        return _holds(self.after[now], value) or not _holds(self.before[name], value)


def _find_prefixes(
    before: list[Dimension], after: Mapping[str, Dimension], space: Mapping[str, Any]
) -> dict[str, str]:
    prefixes: dict[str, str] = {}
    for choice in sorted(
        (each for each in before if isinstance(each, Choice)), key=lambda each: len(each.name)
    ):
        now = _rename(choice.name, prefixes)
        fixed = None if now in after else name_of(_value_at(space, now))
        if fixed in choice.labels:
            prefixes[f"{choice.name}.{fixed}."] = f"{now}."
    return prefixes


def _rename(name: str, prefixes: Mapping[str, str]) -> str:
    longest = max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default="")
    return prefixes.get(longest, "") + name[len(longest) :]


def _is_fixed_to(fixed: Any, dimension: Dimension, value: Value) -> bool:
    """Return whether the value of a field that was a dimension is what `value` stands for."""
    if isinstance(dimension, Range):
        return bool(fixed == value)
    try:
        option = dimension.option(value)
    except ValueError:
        return False
    if (name := name_of(fixed)) is not None:
        return name == name_of(option)
    return bool(fixed == option)


def _holds(dimension: Dimension, value: Value) -> bool:
    if isinstance(dimension, Choice):
        return value in dimension.labels
    return isinstance(value, int | float) and dimension.low <= value <= dimension.high


def _value_at(tree: Any, name: str) -> Any:
    for key in name.split("."):
        fields = named_options(tree) or tree
        if not isinstance(fields, dict) or key not in fields:
            return _MISSING
        tree = fields[key]
    return tree
