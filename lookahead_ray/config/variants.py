"""Variants of a part of a trial, told apart by one field: `task.name`, `preview.strategy`."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lookahead_ray.config.trial import TrialConfig


def without_left_variants(
    tree: Mapping[str, Any], told: Mapping[str, Any], overridden: Callable[[str], bool]
) -> dict[str, Any]:
    """`tree` without the fields in the file's tree `told` of a variant that an override has left.

    So `task.name=gsm8k` needs no second override for each field that only word problems have. Fields that are
    `overridden` themselves (a path such as `task.max_steps`) stay, and are refused later if they are unknown.
    """
    result = dict(tree)
    for field, known in TrialConfig.model_fields.items():
        part, before, tag = tree.get(field), told.get(field), known.discriminator
        if not isinstance(part, dict) or not isinstance(before, dict) or not isinstance(tag, str):
            continue
        variant = _variant(known, tag, part.get(tag))
        if variant is not None and part.get(tag) != before.get(tag):
            keep = {key for key in part if key in variant.model_fields or overridden(f"{field}.{key}")}
            result[field] = {key: value for key, value in part.items() if key in keep}
    return result


def _variant(known: FieldInfo, tag: str, value: Any) -> type[BaseModel] | None:
    variants: tuple[type[BaseModel], ...] = get_args(known.annotation)
    return next((each for each in variants if value in get_args(each.model_fields[tag].annotation)), None)
