"""Repeats of configurations with other random seeds once a search has ended. Pure; does not use Ray.

Successive halving: in the first round the best candidates and vanilla are run with one more random seed; in
each later round the better half of them, judged by all random seeds so far, with the next one. The rounds are
computed from the committed records, so an interrupted sweep resumes in the same round. If the search
continues too, the candidates are determined again; finished repeats are kept.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from lookahead_ray.config.merge import join_points, point_configs
from lookahead_ray.config.objective import Objective
from lookahead_ray.config.search import ConfirmConfig
from lookahead_ray.objective.base import is_scorable
from lookahead_ray.sweep.recommend.candidates import Candidate, configuration, seed_of
from lookahead_ray.sweep.recommend.recommend import assess
from lookahead_ray.trial.record import TrialRecord

MOST_ATTEMPTS = 2
"""Maximum attempts per repeat.

A candidate that fails this often is dropped; for vanilla, only that random seed is skipped.
"""

RunKey = tuple[str, int]
"""The hash of a configuration without its random seed, and the random seed."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A repeat to be run."""

    of: str  # id of the trial that it repeats
    config: dict[str, Any]  # resolved, with the other random seed


def next_repeats(
    records: Sequence[TrialRecord], objective: Objective, config: ConfirmConfig
) -> tuple[Repeat, ...]:
    """Return the rest of the current round, vanilla first, then best first; empty when all rounds are done.

    A round that the budget cuts off has vanilla's repeat, without which the others would be compared with one
    training of vanilla.

    The first round takes the top `candidates` that are not significantly worse than the best or are on the
    Pareto front. Each later round keeps half of them, rounded up. Random seeds are the trial's own + 1, + 2,
    … Failed repeats are run again, up to `MOST_ATTEMPTS` attempts. Candidates that differ only in the share
    of their merge are repeated by one training.
    """
    searched = [record for record in records if record.role != "repeat"]
    start = assess(searched, objective)
    if isinstance(start, str):
        return ()
    vanilla = start.field.vanilla
    remaining = [start.field.candidates[index] for index in start.judged.near_best()][: config.candidates]
    attempts = _attempts(records, objective)
    for offset in range(1, config.seeds + 1):
        models: dict[RunKey, Candidate] = {}
        for model in (vanilla, *remaining):
            models.setdefault(_run_key(model, offset), model)
        due = [model for key, model in models.items() if attempts[key].left]
        if due:
            return tuple(_joined([_repeat(model, offset) for model in due]))
        remaining = [one for one in remaining if attempts[_run_key(one, offset)].done]
        if not remaining:
            return ()
        seen = [*searched, *_repeats_until(offset, records, (*remaining, vanilla))]
        remaining = _better_half(remaining, seen, objective)
    return ()


@dataclass(slots=True)
class _Attempts:
    done: bool = False
    failed: int = 0

    @property
    def left(self) -> bool:
        return not self.done and self.failed < MOST_ATTEMPTS


def _attempts(records: Sequence[TrialRecord], objective: Objective) -> Mapping[RunKey, _Attempts]:
    """Return the attempts at each run; a run that was never tried has none."""
    attempts: dict[RunKey, _Attempts] = defaultdict(_Attempts)
    for record in records:
        if record.role in ("search", "repeat"):
            for config in point_configs(record.config):  # several if their training failed
                run = attempts[configuration(config), seed_of(record)]
                if is_scorable(record, objective):
                    run.done = True
                else:
                    run.failed += 1
    return attempts


def _run_key(candidate: Candidate, offset: int) -> RunKey:
    return configuration(candidate.first.config), seed_of(candidate.first) + offset


def _repeat(candidate: Candidate, offset: int) -> Repeat:
    first = candidate.first
    return Repeat(first.trial_id, {**first.config, "seed": seed_of(first) + offset})


def _joined(repeats: Sequence[Repeat]) -> Iterator[Repeat]:
    """Yield repeats that differ only in their share as one, of the first of them."""
    for config in join_points(repeat.config for repeat in repeats):
        first = point_configs(config)
        yield Repeat(next(repeat.of for repeat in repeats if repeat.config in first), config)


def _repeats_until(
    offset: int, records: Sequence[TrialRecord], models: Sequence[Candidate]
) -> Iterator[TrialRecord]:
    """Yield the models' repeats up to this random seed: later ones must not change an earlier round."""
    keys = {_run_key(model, number) for model in models for number in range(1, offset + 1)}
    for record in records:
        if record.role == "repeat" and (configuration(record.config), seed_of(record)) in keys:
            yield record


def _better_half(
    remaining: Sequence[Candidate], seen: Sequence[TrialRecord], objective: Objective
) -> list[Candidate]:
    assessed = assess(seen, objective)
    if isinstance(assessed, str):
        raise ValueError(f"repeats must leave candidates to judge, got {assessed}")
    by_id = {one.trial_id: one for one in remaining}
    ranked = [assessed.field.candidates[index].trial_id for index in assessed.judged.order]
    return [by_id[trial_id] for trial_id in ranked if trial_id in by_id][: ceil(len(remaining) / 2)]
