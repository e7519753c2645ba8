"""Objectives by name. A new one takes a module next to this file and a line in `OBJECTIVES`."""

from typing import Any

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.config.variants import Variant
from lookahead_ray.objective.floor import SafetyFloor
from lookahead_ray.objective.pareto import ParetoFront
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.objective.weighted import WeightedSum

OBJECTIVES: dict[str, Variant[Any, [], SearchObjective[Any]]] = {
    "weighted": Variant(WeightedObjective, WeightedSum),
    "floor": Variant(FloorObjective, SafetyFloor),
    "pareto": Variant(ParetoObjective, ParetoFront),
}
"""Every objective, by the `name` of its configuration."""


def make_objective(config: Objective) -> SearchObjective[Any]:
    """Return the objective that `config` describes."""
    return OBJECTIVES[config.name](config)
