"""What a sweep is about to do, in words: how it searches, when it ends, what it optimises."""

from collections.abc import Iterator

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, SafetyPart
from lookahead_ray.config.search import GridSampler, SearchConfig
from lookahead_ray.sweep.grid import grid_points


def plan(sweep: Sweep) -> Iterator[str]:
    """Lines for a person. Raises ConfigError where a grid has no size that can be run."""
    yield f"search: {'; '.join(_search(sweep))}"
    yield f"objective: {_objective(sweep.objective)}; safety is {_safety(sweep.objective.safety)}"
    for field, ask in sweep.asks.items():
        yield (
            f"{field}: up to {ask.model_openings} openings of the seed model's answers to {ask.prompts} "
            f"training prompts, {ask.tokens} tokens each; it is asked before the search begins"
        )


def _search(sweep: Sweep) -> Iterator[str]:
    search = sweep.search
    grid = f" over {len(grid_points(sweep))} points" if isinstance(search.sampler, GridSampler) else ""
    yield f"{search.sampler.name} sampler{grid} with seed {search.seed}"
    yield f"ends after {_ends(search)}"
    if search.warm_start:
        yield f"learns from {', '.join(search.warm_start)}"
    if stopping := search.stopping:
        share = f"the best {1 / stopping.reduction:.0%} go on"
        yield f"stops the hopeless from epoch {stopping.grace_epochs} on, {share}"
    if confirm := search.confirm:
        yield f"runs the best {confirm.candidates} again, with {confirm.seeds} more seeds in the end"


def _ends(search: SearchConfig) -> str:
    budget = search.budget
    limits = [f"{search.trials} trials"]
    if budget.hours is not None:
        limits.append(f"{budget.hours:g} h")
    if budget.accelerator_hours is not None:
        limits.append(f"{budget.accelerator_hours:g} accelerator hours")
    if budget.plateau is not None:
        gain, trials = budget.plateau.gain, budget.plateau.trials
        limits.append(f"{trials} trials with less than {100 * gain:g} % more hypervolume")
    return " or ".join(limits) + (", whichever comes first" if len(limits) > 1 else "")


def _objective(objective: Objective) -> str:
    if isinstance(objective, FloorObjective):
        of = " of the seed's" if objective.relative_to == "seed" else ""
        return f"most utility where safety is at least {objective.floor:g}{of}"
    if isinstance(objective, ParetoObjective):
        return f"most safety, most utility{' and least over-refusal' * objective.over_refusal}, as a front"
    weight = objective.safety_weight
    return f"{weight:g} · safety + {1 - weight:g} · utility"


def _safety(parts: tuple[SafetyPart, ...]) -> str:
    names = [" ".join(filter(None, (part.metric, part.suite, part.attack))) for part in parts]
    if len(parts) == 1:
        return names[0]
    if len({part.weight for part in parts}) == 1:
        return f"the mean of {', '.join(names)}"
    weighted = (f"{part.weight:g} · {name}" for part, name in zip(parts, names, strict=True))
    return f"the weighted mean of {', '.join(weighted)}"
