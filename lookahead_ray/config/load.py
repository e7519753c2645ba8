"""From a space file to a validated sweep, and from a tree without dimensions to a trial's configuration."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from lookahead_ray.config.dimension import Choice, Dimension, Suggest, Value, corners, dimensions, substitute
from lookahead_ray.config.objective import HasObjective, Objective
from lookahead_ray.config.search import WITHOUT_EFFECT, SearchConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.config.variants import without_left_variants
from lookahead_ray.config.yaml_file import override, read
from lookahead_ray.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
SWEEP_FIELDS = ("name", "search", "objective")
VANILLA = {"preview": {"strategy": "none"}, "method": {"name": "vanilla"}, "defence": {}}
"""What of a trial's tree makes it vanilla fine-tuning."""


@dataclass(frozen=True)
class Sweep:
    """A validated search: every trial that its space can yield is a valid `TrialConfig`."""

    source: str  # the file, for messages
    name: str
    template: Mapping[str, Any]  # a TrialConfig's tree with dimensions in it
    search: SearchConfig
    objective: Objective

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """All dimensions of the space, conditional ones included."""
        return tuple(dimensions(self.template))

    @property
    def resolved(self) -> dict[str, Any]:
        """Everything that decides what a trial is and in what order, as JSON values; what `hash` covers.

        Not what is `WITHOUT_EFFECT`, such as how many trials there are: a sweep may go on for more of them.
        """
        return {
            **self.template,
            "search": self.search.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)),
            "objective": self.objective.model_dump(mode="json"),
        }

    @property
    def hash(self) -> str:
        """SHA-256 of `resolved`."""
        return content_hash(self.resolved)

    def trial(self, suggest: Suggest) -> TrialConfig:
        """The trial for the values that `suggest` picks, one call for each dimension that exists in it."""
        return TrialConfig.model_validate(substitute(self.template, suggest))

    def reference(self) -> TrialConfig:
        """Vanilla fine-tuning: no preview, method or defence, other dimensions at their reference values."""
        return TrialConfig.model_validate(_tree_of_reference(self))

    def reference_value(self, dimension: Dimension) -> Value:
        """The dimension's value in the references."""
        if dimension.name in self.search.reference:
            return cast(Value, self.search.reference[dimension.name])
        return dimension.labels[0] if isinstance(dimension, Choice) else dimension.middle


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Read, override and validate a space file.

    Raises:
        ConfigError: one line that names the file, the field, the rule and the value.
    """
    told = read(path)
    source = _Source(str(path), tuple(overrides))
    tree = without_left_variants(
        override(told, overrides), told, lambda field: source.of(field) != source.file
    )
    unknown = [key for key in tree if key not in SWEEP_FIELDS and key not in TrialConfig.model_fields]
    if unknown:
        known = ", ".join([*SWEEP_FIELDS, *TrialConfig.model_fields])
        raise ConfigError(f"{source.of(unknown[0])}: {unknown[0]}: unknown field; known are {known}")
    name = tree.get("name", path.stem)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{source.of('name')}: name: must be a text, got {name!r}")
    template = {key: value for key, value in tree.items() if key not in SWEEP_FIELDS}
    sweep = Sweep(
        source=str(path),
        name=name,
        template=template,
        search=_validate(SearchConfig, tree.get("search", {}), source, "search"),
        objective=_validate(HasObjective, {"objective": tree.get("objective", {})}, source, "").objective,
    )
    _check_space(sweep, source)
    return sweep


def validate_tree(model: type[Model], overrides: Sequence[str]) -> Model:
    """A model made from its defaults and `path=value` overrides alone. Raises ConfigError as `load_sweep`."""
    return _validate(model, override({}, overrides), _Source("defaults", tuple(overrides)), "")


def content_hash(value: Any) -> str:
    """SHA-256 over canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def trial_json(config: TrialConfig) -> dict[str, Any]:
    """The resolved configuration as JSON values, defaults filled in."""
    return config.model_dump(mode="json")


@dataclass(frozen=True)
class _Source:
    """Where a field came from: the file, or the override that set it or something above or below it."""

    file: str
    overrides: tuple[str, ...]

    def of(self, field: str) -> str:
        for assignment in reversed(self.overrides):
            path = assignment.partition("=")[0].strip()
            if field == path or field.startswith(f"{path}.") or path.startswith(f"{field}."):
                return f"--set {assignment}"
        return self.file


def _check_space(sweep: Sweep, source: _Source) -> None:
    try:
        found = sweep.dimensions
        for corner in corners(sweep.template):
            _validate(TrialConfig, corner, source, "")
    except ConfigError as error:
        message = str(error)
        if not message.startswith((source.file, "--set")):
            message = f"{source.of(message.partition(':')[0])}: {message}"
        raise ConfigError(message) from error
    by_name = {dimension.name: dimension for dimension in found}
    points = [("search.reference", sweep.search.reference)]
    points += [(f"search.enqueue[{index}]", point) for index, point in enumerate(sweep.search.enqueue)]
    for field, point in points:
        for name, value in point.items():
            _check_point(by_name, field, name, value, source)
    _validate(TrialConfig, _tree_of_reference(sweep), source, "search.reference")


def _tree_of_reference(sweep: Sweep) -> Any:
    return {**substitute(sweep.template, sweep.reference_value), **VANILLA}


def _check_point(
    by_name: Mapping[str, Dimension], field: str, name: str, value: Any, source: _Source
) -> None:
    dimension = by_name.get(name)
    if dimension is None:
        known = ", ".join(by_name) or "none"
        raise ConfigError(f"{source.of(field)}: {field}: no dimension is called {name!r}; known are {known}")
    if isinstance(dimension, Choice):
        try:
            dimension.option(value)
        except ValueError as error:
            raise ConfigError(f"{source.of(field)}: {field}.{name}: {error}") from error
        return
    wanted = int if dimension.kind == "int" else (int, float)
    if (
        isinstance(value, bool)
        or not isinstance(value, wanted)
        or not dimension.low <= value <= dimension.high
    ):
        raise ConfigError(
            f"{source.of(field)}: {field}: {name} must lie in its range ({dimension}), got {value!r}"
        )


def _validate(model: type[Model], tree: Any, source: _Source, prefix: str) -> Model:
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"] and first["type"] == "value_error":
            message = str(first["ctx"]["error"])  # of a rule between fields: begins with the field
            raise ConfigError(f"{source.of(message.split()[0])}: {message}") from error
        field = ".".join(filter(None, [prefix, _field(first, tree)])) or "file"
        raise ConfigError(f"{source.of(field)}: {field}: {_rule(first, tree)}") from error


def _field(error: Any, tree: Any) -> str:
    """pydantic's location as the path in the file: tags of unions are no fields."""
    path, node, location = [], tree, error["loc"]
    for position, part in enumerate(location):
        if _holds(node, part):
            path.append(str(part))
            node = node[part]
        elif error["type"] == "missing" and position == len(location) - 1:
            path.append(str(part))
    return ".".join(path)


def _rule(error: Any, tree: Any) -> str:
    value = error["input"]
    match error["type"]:
        case "extra_forbidden":
            variant = _variant(error["loc"], tree)
            return f"unknown field{variant}, got {value!r}"
        case "model_type" | "model_attributes_type":
            return f"must be a mapping of fields to values, got {value!r}"
        case "missing":
            return "required field is missing"
        case "union_tag_not_found":
            return (
                f"needs the field {error['ctx']['discriminator']} to tell which variant it is, got {value!r}"
            )
        case "union_tag_invalid":
            context = error["ctx"]
            field, known = context["discriminator"], context["expected_tags"]
            return f"{field} must be one of {known}, got {context['tag']!r}"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}, got {value!r}"


def _variant(location: tuple[int | str, ...], tree: Any) -> str:
    """Which variant of a union does not know the field, in words; empty outside unions."""
    node, tag = tree, ""
    for part in location:
        if _holds(node, part):
            node = node[part]
        elif isinstance(node, dict):
            tag = str(part)
    return f" for the variant {tag!r}" if tag else ""


def _holds(node: Any, part: int | str) -> bool:
    """Whether `part` of a location is a field or an index of the tree's node, and not a tag."""
    if isinstance(node, list | tuple):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, dict) and part in node
