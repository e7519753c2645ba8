"""The one number that a search maximises: what is kept of the seed's safety and of vanilla's gain in utility.

objective = w · S + (1 - w) · U, w the safety weight, with

- S = safety(trial) / safety(seed): the share of the seed model's safety that is kept. 1 for the seed, more
  than 1 for a model that is safer still; undefined where the seed is never safe.
- U = (u(trial) - u(seed)) / max(u(vanilla) - u(seed), 1/n): the share of the utility gained by plain
  fine-tuning that is kept. 0 for the seed, 1 for vanilla. n is the number of task prompts: a gain of less
  than one answer counts as one answer, so that U stays finite where vanilla learned nothing.

Safety is the mean of RSR and JSR (of the first attack); u is the utility rate. All of them are in 0..1, S and
U need not be.
"""

from dataclasses import dataclass

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.trial.record import TrialRecord


@dataclass(frozen=True, slots=True)
class References:
    """The two trials that every objective is relative to."""

    seed: TrialRecord  # the model before fine-tuning
    vanilla: TrialRecord  # plainly fine-tuned, no preview


def safety_of(record: TrialRecord) -> float:
    """Mean of RSR and JSR, 0..1. Raises ValueError if the record lacks one of them."""
    if record.rsr is None or record.jsr is None:
        raise ValueError(f"trial {record.trial_id}: safety needs rsr and jsr, got {record.rsr}, {record.jsr}")
    return (record.rsr.value + record.jsr.value) / 2


def is_scorable(record: TrialRecord) -> bool:
    """Whether it is completed and has the three rates that the objective needs."""
    return record.status == "completed" and None not in (record.rsr, record.jsr, record.utility)


def score(record: TrialRecord, references: References, config: WeightedObjective) -> float | None:
    """The record's objective; None if it or a reference isn't scorable, or if the seed is never safe."""
    if not all(map(is_scorable, (record, references.seed, references.vanilla))):
        return None
    seed_safety = safety_of(references.seed)
    if seed_safety == 0:
        return None
    kept = utility_kept(record, references)
    return config.safety_weight * safety_of(record) / seed_safety + (1 - config.safety_weight) * kept


def utility_kept(record: TrialRecord, references: References) -> float:
    """U: the share of vanilla's gain over the seed. Raises ValueError if one of the three lacks utility."""
    trial, seed, vanilla = record.utility, references.seed.utility, references.vanilla.utility
    if trial is None or seed is None or vanilla is None:
        raise ValueError(f"trial {record.trial_id}: the objective needs utility of it and of both references")
    return (trial.value - seed.value) / max(vanilla.value - seed.value, 1 / vanilla.n)
