"""Candidates for the recommendation: configurations, each with its runs over all random seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.objective import Objective
from lookahead_ray.config.trial import RESOURCE_FIELDS
from lookahead_ray.objective.base import has_broken_rate, is_scorable
from lookahead_ray.trial.record import Role, TrialRecord


@dataclass(frozen=True)
class Candidate:
    """One configuration; its runs differ only in the random seed, and the search's own run comes first."""

    runs: tuple[TrialRecord, ...]

    @property
    def first(self) -> TrialRecord:
        """Return the search's own run, which names the candidate."""
        return self.runs[0]

    @property
    def trial_id(self) -> str:
        """Return the id of the first run."""
        return self.first.trial_id

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return one random seed per run."""
        return tuple(map(seed_of, self.runs))


@dataclass(frozen=True)
class Field:
    """The candidates and the reference models they are compared with."""

    seed_model: Candidate
    vanilla: Candidate
    candidates: tuple[Candidate, ...]  # in the order of the trials
    left_out: tuple[str, ...] = ()  # completed trials that can't be compared, each with the reason

    @property
    def models(self) -> tuple[Candidate, ...]:
        """Return all models: the seed model has index 0, vanilla 1, candidates start at 2."""
        return (self.seed_model, self.vanilla, *self.candidates)


def configuration(config: Mapping[str, Any]) -> str:
    """Return the content hash of a trial's configuration without its random seed and resources.

    A sweep that goes on elsewhere may have other resources, which change a model by rounding only.
    """
    left_out = ("seed", *RESOURCE_FIELDS)
    return content_hash({key: value for key, value in config.items() if key not in left_out})


def seed_of(record: TrialRecord) -> int:
    """Return the random seed of a trial's training."""
    return int(record.config.get("seed", 0))


def candidates_of(records: Sequence[TrialRecord], role: Role) -> list[Candidate]:
    """Group a role's completed trials by configuration, with repeats; one run per random seed."""
    runs: dict[str, dict[int, TrialRecord]] = {}
    completed = [record for record in records if record.status == "completed"]
    for record in completed:
        if record.role == role:
            runs.setdefault(configuration(record.config), {}).setdefault(seed_of(record), record)
    for record in completed:
        if record.role == "repeat" and (known := runs.get(configuration(record.config))):
            known.setdefault(seed_of(record), record)
    return [Candidate(tuple(by_seed.values())) for by_seed in runs.values()]


def field_of(records: Sequence[TrialRecord], objective: Objective) -> Field | str:
    """Return all models that can be scored, or in words why none can."""
    usable = [record for record in records if is_scorable(record, objective)]
    found: dict[Role, Candidate] = {}
    roles: tuple[Role, ...] = ("seed", "vanilla")
    for role in roles:
        of_role = candidates_of(usable, role)
        if not of_role:
            tries = [record for record in records if record.role == role]
            state = "is missing" if not tries else f"was not evaluated in full ({tries[-1].status})"
            if tries and has_broken_rate(tries[-1], objective):
                state = "has a rate that is not a finite number"
            name = "seed model's" if role == "seed" else "vanilla"
            return f"the {name} trial {state}, and every objective is relative to it"
        found[role] = of_role[0]
    candidates = candidates_of(usable, "search")
    if not candidates:
        return "no search trial was completed"
    broken = [record for record in records if has_broken_rate(record, objective)]
    left_out = tuple(f"{record.trial_id}, which has a rate that is not a finite number" for record in broken)
    return Field(Candidate(found["seed"].runs[:1]), found["vanilla"], tuple(candidates), left_out)
