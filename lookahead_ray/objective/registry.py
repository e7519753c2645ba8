"""Dispatch from an objective's configuration to the module that judges candidates by it."""

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.objective.floor import above, judge_floor
from lookahead_ray.objective.judgement import Aims, ObjectiveJudgement
from lookahead_ray.objective.pareto import judge_pareto
from lookahead_ray.objective.weighted import judge_weighted, weighted


def judge(objective: Objective, aims: Aims) -> ObjectiveJudgement:
    """Judge all candidates by the objective.

    A candidate is better than vanilla under these conditions:

    - weighted: its objective is above vanilla's.
    - floor: its safety is at or above the floor; if vanilla's is too, its utility is also above vanilla's.
    - pareto: it is on the front, above vanilla in at least one aim, and below vanilla in none.

    "Above" and "below" refer to simultaneous 95 % intervals over all candidates and, for `floor` and
    `pareto`, over all judged values.
    """
    match objective:
        case WeightedObjective():
            return judge_weighted(weighted(aims, objective.safety_weight))
        case FloorObjective():
            kept = aims.kept if objective.relative_to == "seed" else aims.safety
            return judge_floor(above(kept, objective.floor), aims.gained)
        case ParetoObjective():
            third = [aims.complied] if objective.over_refusal and aims.complied else []
            return judge_pareto([aims.kept, aims.gained, *third])
