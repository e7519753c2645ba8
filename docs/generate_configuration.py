"""Generate docs/configuration.md from the pydantic models: `python -m docs.generate_configuration`.

The page is docs/templates/configuration.md, which is written by hand, and a reference of all fields after it.
Types, limits and defaults come from the models of `lookahead_ray.config`, meanings from the docstrings of
their attributes.
"""

import inspect
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lookahead_ray.config.objective import Objective, WeightedObjective
from lookahead_ray.config.phrases import PhraseSource
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.config.tracking import HasTracking
from lookahead_ray.config.trial import TrialConfig

PAGE = Path(__file__).with_name("configuration.md")
TEMPLATE = Path(__file__).parent / "templates" / "configuration.md"

TAGS = ("name", "strategy", "kind")
"""Fields that select the variant of a union."""

WORDS: dict[Any, tuple[str, str]] = {
    int: ("integer", "integers"),
    float: ("number", "numbers"),
    str: ("text", "texts"),
    bool: ("`true` or `false`", "`true` or `false`"),
    Any: ("any value", "any values"),
    JsonValue: ("any value", "any values"),
}
"""Singular and plural of each plain type."""

LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}  # attributes of annotated_types' objects
TOP_LEVEL = "<!-- top-level fields -->"  # replaced in the template


def generate() -> str:
    """Return the text of the page."""
    sections = {path: field for path, field in _top_level().items() if list(_models(field.annotation))}
    plain = {path: field for path, field in _top_level().items() if path not in sections}
    parts = [TEMPLATE.read_text(encoding="utf-8").replace(TOP_LEVEL, _table("", plain)).rstrip("\n")]
    for path, field in sections.items():
        models = list(_models(field.annotation))
        parts.append(f"### `{path}`")
        parts += _intro(models, field)
        parts += _sections(path + "[]" * _is_list(field.annotation), models, heading=False)
    parts.append("### `preview.prefix.choice_from`")
    parts += _sections("preview.prefix.choice_from", [PhraseSource], heading=False)
    return "\n\n".join(dict.fromkeys(parts)) + "\n"  # a model that several variants hold is described once


def _top_level() -> dict[str, FieldInfo]:
    return {
        **TrialConfig.model_fields,
        "search": FieldInfo(annotation=SearchConfig, default=SearchConfig()),
        "objective": FieldInfo(annotation=Objective, default=WeightedObjective()),
        "tracking": HasTracking.model_fields["tracking"],
    }


def _intro(models: Sequence[type[BaseModel]], field: FieldInfo) -> Iterator[str]:
    """Yield what holds for the field as a whole: how its variant is selected, and its default."""
    default = _default(field)
    tag = _tag_field(models[0])
    if tag is None:
        return
    several = "One mapping or a list of mappings" if _is_list(field.annotation) else "One mapping"
    names = ", ".join(f"`{_tag(model)}`" for model in models)
    yield f"{several}; the field `{tag}` selects the variant: {names}. Default: {default}."


def _sections(path: str, models: Sequence[type[BaseModel]], heading: bool = True) -> Iterator[str]:
    """Yield, for each model, a section with its description and fields, then sections of nested models."""
    for model in models:
        tag = _tag_field(model)
        fields = {name: field for name, field in model.model_fields.items() if name != tag}
        parts = [inspect.cleandoc(model.__doc__ or ""), _table(path, fields) if fields else ""]
        if tag is not None:
            parts.insert(0, f"#### `{path}`: `{{{tag}: {_tag(model)}}}`")
        elif heading:
            parts.insert(0, f"#### `{path}`")
        yield "\n\n".join(filter(None, parts))
        for name, field in fields.items():
            nested = list(_models(field.annotation))
            if nested:
                yield from _sections(f"{path}.{name}" + "[]" * _is_list(field.annotation), nested)


def _table(path: str, fields: dict[str, FieldInfo]) -> str:
    rows = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in fields.items():
        dotted = f"{path}.{name}" if path else name
        meaning = " ".join((field.description or _meaning_of_models(field)).split())
        cells = (f"`{dotted}`", _type(field.annotation, field.metadata), _default(field), meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _meaning_of_models(field: FieldInfo) -> str:
    """Return the first lines of the docstrings of the models that a field without a docstring holds."""
    models = list(_models(field.annotation))
    if len(models) == 1:
        return inspect.cleandoc(models[0].__doc__ or "").split("\n\n")[0]
    return "See its variants below." if models else ""


def _type(annotation: Any, metadata: Sequence[Any] = (), several: bool = False) -> str:
    """Return the type in words, with the limits that `metadata` holds; in the plural for `several`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *more = arguments
        nested = [
            item for each in more for item in (each.metadata if isinstance(each, FieldInfo) else [each])
        ]
        return _type(inner, [*nested, *metadata], several)
    if list(_models(annotation)) and origin is not tuple:
        words = "mappings" if several else "mapping"
        return f"{words} or `null`" if NoneType in arguments else words
    if origin in (Union, UnionType):
        variants = [_type(each, metadata) for each in arguments if each is not NoneType]
        return " or ".join([*variants, "`null`"] if NoneType in arguments else variants)
    if origin is Literal:
        *first, last = (f"`{_value(each)}`" for each in arguments)
        return f"{', '.join(first)} or {last}" if first else last
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"{_length(metadata)}list of {_type(arguments[0], several=True)}"
        return f"list of {len(arguments)} {_type(arguments[0], several=True)}"
    if origin is dict:
        return f"{_length(metadata)}mapping of texts to {_type(arguments[1], several=True)}"
    word = _length(metadata) + WORDS[annotation][several]
    found = [
        f"{sign} {getattr(item, name)}"
        for item in metadata
        for name, sign in LIMITS.items()
        if hasattr(item, name)
    ]
    return f"{word} {' and '.join(found)}" if found else word


def _length(metadata: Sequence[Any]) -> str:
    """Return "non-empty " where `metadata` says so."""
    return "non-empty " if any(getattr(item, "min_length", None) == 1 for item in metadata) else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    assert default is not PydanticUndefined
    if isinstance(default, BaseModel) and _tag_field(type(default)) is None:
        return "its own defaults"
    return f"`{_value(default)}`"


def _value(value: Any) -> str:
    """Return a value as YAML that fits into a table cell; of a model only what selects its variant."""
    if isinstance(value, BaseModel):
        tag = _tag_field(type(value))
        given = {name: getattr(value, name) for name in value.model_fields_set}
        named = {tag: getattr(value, tag)} if tag else {}
        return "{" + ", ".join(f"{name}: {_value(each)}" for name, each in {**named, **given}.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, str):
        return value if value and all(c.isalnum() or c in "-_/." for c in value) else json.dumps(value)
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation names, in its order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _models(argument)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _tag_field(model: type[BaseModel]) -> str | None:
    """Return the field that selects the model in its union; None if it is no variant of one."""
    for name in TAGS:
        field = model.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is Literal:
            return name
    return None


def _tag(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields[_tag_field(model) or ""].annotation)[0])


if __name__ == "__main__":
    PAGE.write_text(generate(), encoding="utf-8")
