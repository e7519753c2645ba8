"""Parallel coordinates: each trial's position on the axis of every sampled dimension."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from optuna.distributions import CategoricalDistribution, FloatDistribution

from analysis.report.data.importance import distributions, params_of
from analysis.report.frame import searched
from analysis.report.text import short

MEASURES = {"rsr": "RSR", "jsr": "JSR", "utility": "utility", "merit": "objective"}


@dataclass(frozen=True)
class Axis:
    """One axis; `ticks` are pairs of a position in 0..1 and a text."""

    name: str
    ticks: tuple[tuple[float, str], ...]


def coordinates(frame: pa.Table, most: int) -> tuple[list[Axis], pa.Table]:
    """Return the axes, and trial_id, label, merit, places (a list of 0..1 on each axis, or null).

    Of more than `most` scored trials, those evenly spread over the ranking by merit are returned, best and
    worst included. Sorted by merit, worst first.
    """
    found = searched(frame)
    found = found.filter(pc.is_valid(found["merit"])).sort_by([("merit", "ascending")])
    if found.num_rows > most:
        found = found.take(pa.array(np.linspace(0, found.num_rows - 1, most).round().astype(np.int64)))
    params = params_of(found)
    axes, columns = [], []
    for name, space in distributions(params).items():
        values = [row.get(name) for row in params]
        if isinstance(space, CategoricalDistribution):
            axis, places = _named(name, values, list(space.choices))
        else:
            axis, places = _numbers(name, values, isinstance(space, FloatDistribution) and space.log)
        axes.append(axis)
        columns.append(places)
    for name, title in MEASURES.items():
        values = found[name].to_pylist()
        if len({value for value in values if value is not None}) > 1:
            axis, places = _numbers(title, values, False)
            axes.append(axis)
            columns.append(places)
    places = pa.array([list(row) for row in zip(*columns, strict=True)], pa.list_(pa.float64()))
    if not columns:
        places = pa.array([[] for _ in range(found.num_rows)], pa.list_(pa.float64()))
    return axes, found.select(["trial_id", "label", "merit"]).append_column("places", places)


def _named(name: str, values: list[Any], choices: list[Any]) -> tuple[Axis, list[float | None]]:
    where = {choice: (place + 0.5) / len(choices) for place, choice in enumerate(choices)}
    ticks = tuple((place, short(str(choice), 18)) for choice, place in where.items())
    return Axis(name, ticks[:12]), [where.get(value) for value in values]


def _numbers(name: str, values: list[Any], log: bool) -> tuple[Axis, list[float | None]]:
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    scale = np.log if log else np.asarray
    ends = scale(np.array([low, high], float))
    width = float(ends[1] - ends[0]) or 1.0
    places = [None if v is None else float(scale(np.array(v, float)) - ends[0]) / width for v in values]
    middle = (low * high) ** 0.5 if log else (low + high) / 2
    whole = all(isinstance(value, int) for value in known)
    marks = list(range(low, high + 1)) if whole and high - low <= 8 else [low, middle, high]
    at = [float(scale(np.array(mark, float)) - ends[0]) / width for mark in marks]
    return Axis(name, tuple((place, f"{mark:.3g}") for place, mark in zip(at, marks, strict=True))), places
