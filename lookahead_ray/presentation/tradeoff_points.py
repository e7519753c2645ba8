"""The trials in a trade-off plot, and their Pareto front; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

from lookahead_ray.trial.label import additions_to_vanilla, quoted
from lookahead_ray.trial.record import Rate, TrialRecord

Kind = Literal["seed", "vanilla", "true", "virtual", "other"]
SafetyMetric = Literal["safety", "rsr", "jsr"]


@dataclass(frozen=True)
class PlotPoint:
    """A trial's point in one panel."""

    trial_id: str
    kind: Kind
    text: str
    length_tokens: int | None
    x: Rate
    y: Rate


def points_of(records: Sequence[TrialRecord], metric: SafetyMetric) -> list[PlotPoint]:
    """Return the points of the trials that have both rates; partial ones, of fewer prompts, are left out."""
    points = []
    for record in records:
        if record.status == "partial":
            continue
        rate = _safety(record) if metric == "safety" else getattr(record, metric)
        if _drawable(rate) and _drawable(record.utility):
            preview = record.config.get("preview", {})
            kind = _kind(record, preview.get("strategy", "none"))
            length = preview.get("length_tokens") if kind == "true" else None
            points.append(PlotPoint(record.trial_id, kind, _text(record, kind), length, record.utility, rate))
    return points


def pareto_front(points: Sequence[PlotPoint]) -> list[PlotPoint]:
    """Return the trained points that no other trained point dominates, by increasing utility."""
    front: list[PlotPoint] = []
    trained = [point for point in points if point.kind != "seed"]
    for point in sorted(trained, key=lambda p: (p.x.value, p.y.value), reverse=True):
        if not front or point.y.value > front[-1].y.value:
            front.append(point)
    return front[::-1]


def _safety(record: TrialRecord) -> Rate | None:
    """Return the objective's weighted mean of rates as a point without an interval."""
    if record.safety is None or record.rsr is None:
        return None
    return Rate(record.safety, record.safety, record.safety, record.rsr.n, 0)


def _drawable(rate: Rate | None) -> TypeGuard[Rate]:
    return rate is not None and all(math.isfinite(v) for v in (rate.value, rate.low, rate.high))


def _kind(record: TrialRecord, strategy: str) -> Kind:
    if record.role == "seed":
        return "seed"
    if record.role == "vanilla":
        return "vanilla"
    kinds: dict[str, Kind] = {"true": "true", "virtual": "virtual"}
    return kinds.get(strategy, "other")


def _text(record: TrialRecord, kind: Kind) -> str:
    """Return a point's label: "6", a phrase, "sdft", or a combination such as "6, sdft, safety mix 10 %"."""
    if kind in ("seed", "vanilla"):
        return kind
    preview = record.config.get("preview", {})
    texts = {"true": str(preview.get("length_tokens")), "virtual": short(preview.get("prefix", ""))}
    return ", ".join([*filter(None, [texts.get(kind)]), *additions_to_vanilla(record.config)])


def short(prefix: str) -> str:
    """Return a prefix as `quoted` does, short enough for a plot."""
    return quoted(prefix, longest=26)
