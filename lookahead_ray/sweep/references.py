"""Vanilla fine-tuning as a point of the space."""

from typing import Any

from lookahead_ray.config.dimension import Choice, Dimension, Value, dimensions, substitute
from lookahead_ray.config.load import VANILLA, Sweep
from lookahead_ray.sweep.grid import Point


def vanilla_point(sweep: Sweep) -> Point:
    """The values of the dimensions that exist in vanilla fine-tuning.

    Of the preview, method and defence that is the option that vanilla has, where the space offers it.
    """
    point: Point = {}

    def note(dimension: Dimension) -> Value:
        point[dimension.name] = sweep.reference_value(dimension)
        return point[dimension.name]

    substitute({key: value for key, value in sweep.template.items() if key not in VANILLA}, note)
    for key, vanilla in VANILLA.items():
        here = next(dimensions({key: sweep.template[key]}), None) if key in sweep.template else None
        if isinstance(here, Choice) and here.name == key:
            options = zip(here.labels, here.options, strict=True)
            point.update((key, label) for label, option in options if _same(option, vanilla))
    return point


def _same(option: Any, vanilla: dict[str, str]) -> bool:
    """Whether an option is vanilla's variant; `defence` has none, so vanilla's is the empty option."""
    if not vanilla:
        return bool(option == {})
    return isinstance(option, dict) and vanilla.items() <= option.items()
