"""From an objective's configuration to the module that judges candidates by it."""

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.objective.floor import above, judge_floor
from lookahead_ray.objective.judgement import Aims, ObjectiveJudgement
from lookahead_ray.objective.pareto import judge_pareto
from lookahead_ray.objective.weighted import judge_weighted, weighted


def judge(objective: Objective, aims: Aims) -> ObjectiveJudgement:
    """All candidates under the objective.

    - weighted: better is whose objective's difference to vanilla's lies above 0.
    - floor: better is whose safety lies at or above the floor; if vanilla's does too, its utility must also
      lie above vanilla's.
    - pareto: better is who is on the front, lies above vanilla in one aim, and below it in none.

    "Lies" is said of simultaneous 95 % intervals, over all candidates and, for `floor` and `pareto`, over
    all that is judged of them.
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
