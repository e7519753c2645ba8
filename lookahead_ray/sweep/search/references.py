"""Reference trials among records, and vanilla fine-tuning as a point of the space."""

from collections.abc import Sequence
from typing import Any

from lookahead_ray.config.dimension import Choice, Dimension, Value, dimensions, substitute
from lookahead_ray.config.load import VANILLA_SETTINGS, Sweep
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.sweep.search.grid import Point
from lookahead_ray.trial.record import TrialRecord

REFERENCE_COUNT = 2
"""Number of trials that every sweep begins with: the seed model as it is, and vanilla fine-tuning."""


def references_among(records: Sequence[TrialRecord]) -> ReferenceTrials | None:
    """Return the first completed trials of both roles; None unless both exist."""
    completed = {record.role: record for record in reversed(records) if record.status == "completed"}
    if "seed" not in completed or "vanilla" not in completed:
        return None
    return ReferenceTrials(completed["seed"], completed["vanilla"])


def vanilla_point(sweep: Sweep) -> Point | None:
    """Return the dimension values of vanilla fine-tuning if the space contains it; else None.

    For preview, method and defence the value is vanilla's option. Without the preview's value, samplers would
    treat only the other dimensions as common to all trials: the GP and NSGA-II would then draw the preview at
    random, and TPE would model it separately.
    """
    point: Point = {}

    def note(dimension: Dimension) -> Value:
        point[dimension.name] = sweep.reference_value(dimension)
        return point[dimension.name]

    substitute({key: value for key, value in sweep.template.items() if key not in VANILLA_SETTINGS}, note)
    for key, vanilla in VANILLA_SETTINGS.items():
        here = next(dimensions({key: sweep.template[key]}), None) if key in sweep.template else None
        if isinstance(here, Choice) and here.name == key:
            options = zip(here.labels, here.options, strict=True)
            point.update((key, label) for label, option in options if _same(option, vanilla))
    try:
        held = sweep.trial(lambda dimension: point[dimension.name]) == sweep.reference()
    except KeyError:
        return None
    return point if held else None


def _same(option: Any, vanilla: dict[str, str]) -> bool:
    """Return whether an option is vanilla's; for `defence`, which vanilla lacks, the empty option is."""
    if not vanilla:
        return bool(option == {})
    return isinstance(option, dict) and all(option.get(key) == value for key, value in vanilla.items())
