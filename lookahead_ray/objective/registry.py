"""Objectives by name. A new one takes a module next to this file, a line here and a configuration."""

from typing import Any

from lookahead_ray.config.objective import Objective
from lookahead_ray.objective.floor import SafetyFloor
from lookahead_ray.objective.pareto import ParetoFront
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.objective.weighted import WeightedSum

OBJECTIVES: dict[str, type[SearchObjective[Any]]] = {
    "weighted": WeightedSum,
    "floor": SafetyFloor,
    "pareto": ParetoFront,
}
"""Every objective, by the `name` of its configuration."""


def make_objective(config: Objective) -> SearchObjective[Any]:
    """Return the objective that `config` describes."""
    return OBJECTIVES[config.name](config)
