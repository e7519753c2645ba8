"""Pydantic's validation errors in one line: the file or override, the field, the rule, and the value."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lookahead_ray.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Source:
    """Origin of a field: the file, or the override that set the field, its parent or its child."""

    file: str
    overrides: tuple[str, ...]

    def of(self, field: str) -> str:
        for assignment in reversed(self.overrides):
            path = assignment.partition("=")[0].strip()
            if any(_touches(each, field) for each in (path, *_without_option(path))):
                return f"--set {assignment}"
        return self.file


def _touches(path: str, field: str) -> bool:
    return field == path or field.startswith(f"{path}.") or path.startswith(f"{field}.")


def _without_option(path: str) -> Iterator[str]:
    """Yield the fields that a path through an option, such as preview.true.length_tokens, may set."""
    keys = path.split(".")
    for index in range(1, len(keys) - 1):
        yield ".".join([*keys[:index], *keys[index + 1 :]])


def validated(model: type[Model], tree: Any, source: Source, prefix: str) -> Model:
    """Validate `tree` as a `model`; `prefix` is the tree's path in the file. Raises ConfigError, one line."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"] and first["type"] == "value_error":
            message = str(first["ctx"]["error"])  # a rule between fields: the message begins with a field
            field = prefix or message.split()[0]
            where = f"{source.of(field)}: {prefix}" if prefix else source.of(field)
            raise ConfigError(f"{where}: {message}") from error
        field = ".".join(filter(None, [prefix, _field(first, tree)])) or "file"
        raise ConfigError(f"{source.of(field)}: {field}: {_rule(first, tree)}") from error


def _field(error: Any, tree: Any) -> str:
    """Convert pydantic's location to the path in the file, without the tags of unions."""
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
                f"needs the field {error['ctx']['discriminator']}, which selects the variant, got {value!r}"
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
    """Return text that names the union's variant without the field; empty outside unions."""
    node, tag = tree, ""
    for part in location:
        if _holds(node, part):
            node = node[part]
        elif isinstance(node, dict):
            tag = str(part)
    return f" for the variant {tag!r}" if tag else ""


def _holds(node: Any, part: int | str) -> bool:
    """Return whether `part` of a location is a field or an index of the tree's node, not a tag."""
    if isinstance(node, list | tuple):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, dict) and part in node
