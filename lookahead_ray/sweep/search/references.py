"""Reference trials among records, and vanilla fine-tuning as a point of the space."""

from collections.abc import Mapping, Sequence
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

    With a list of shares it is the point whose shares are all measured after vanilla's training; its merge is
    then that of this training.

    For preview, method, defence and merge the value is vanilla's option, and for a field of theirs, such as
    `merge.share`, vanilla's value. Without the preview's value, samplers would treat only the other
    dimensions as common to all trials: the GP and NSGA-II would then draw the preview at random, and TPE
    would model it separately.
    """
    point: Point = {}

    def note(dimension: Dimension) -> Value:
        point[dimension.name] = sweep.reference_value(dimension)
        return point[dimension.name]

    measured = sweep.reference_training().points
    settings = {key: one for key, one in VANILLA_SETTINGS.items() if key != "merge" or len(measured) == 1}
    substitute({key: value for key, value in sweep.template.items() if key not in settings}, note)
    for key, vanilla in settings.items():
        for here in dimensions({key: sweep.template[key]}) if key in sweep.template else ():
            if isinstance(here, Choice) and here.name == key:
                options = zip(here.labels, here.options, strict=True)
                point.update((key, label) for label, option in options if _same(option, vanilla))
            field = here.name.removeprefix(f"{key}.")
            if field in vanilla and (value := _vanilla_value(here, vanilla[field])) is not None:
                point[here.name] = value
    try:
        trial = sweep.trial(lambda dimension: point[dimension.name])
    except KeyError:
        return None
    chosen = trial.merge.share == "auto"
    return point if not chosen and all(each in measured for each in trial.points) else None


def _vanilla_value(dimension: Dimension, vanilla: Value) -> Value:
    """Return the label or number of a dimension that gives vanilla's value; None if it has none."""
    if isinstance(dimension, Choice):
        return next((label for label in dimension.labels if label == vanilla), None)
    is_inside = isinstance(vanilla, float) and dimension.low <= vanilla <= dimension.high
    return vanilla if is_inside else None


def _same(option: Any, vanilla: Mapping[str, Value]) -> bool:
    """Return whether an option is vanilla's; for `defence`, which vanilla lacks, the empty option is."""
    if not vanilla:
        return bool(option == {})
    return isinstance(option, dict) and all(option.get(key) == value for key, value in vanilla.items())
