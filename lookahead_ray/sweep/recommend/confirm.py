"""Repeats of configurations with other random seeds once a search has ended. Pure; does not use Ray.

Successive halving: the best few near the front are run with one more seed each, together with vanilla; the
better half of these, judged by all seeds so far, with the next seed, and so on. The rounds are computed from
the committed records, so an interrupted sweep resumes where it was; if its search continues too, the
candidates near the front are determined again, and no repeat is lost.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from lookahead_ray.config.objective import Objective
from lookahead_ray.config.search import ConfirmConfig
from lookahead_ray.objective.base import is_scorable
from lookahead_ray.sweep.recommend.candidates import Candidate, configuration, seed_of
from lookahead_ray.sweep.recommend.recommend import assess
from lookahead_ray.trial.record import TrialRecord

MOST_TRIES = 2
"""Maximum attempts per repeat. A candidate that fails this often is dropped; for vanilla, only that seed."""

Place = tuple[str, int]
"""The hash of a configuration without its random seed, and the random seed."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A repeat that is to be run."""

    of: str  # id of the trial that it repeats
    config: dict[str, Any]  # resolved, with the other random seed


def next_repeats(
    records: Sequence[TrialRecord], objective: Objective, config: ConfirmConfig
) -> tuple[Repeat, ...]:
    """Return the rest of the current round, best first and vanilla last; empty when all rounds are done.

    The first round takes the top `candidates` that are not significantly worse than the best or are on the
    Pareto front. Each later round keeps half of them, rounded up. Random seeds are the trial's own + 1, + 2,
    … Failed repeats are run again, up to `MOST_TRIES` attempts.
    """
    searched = [record for record in records if record.role != "repeat"]
    start = assess(searched, objective)
    if isinstance(start, str):
        return ()
    going = [start.field.candidates[place] for place in start.judged.near()][: config.candidates]
    tries = _tries(records, objective)
    for further in range(1, config.seeds + 1):
        places = dict.fromkeys(_place(one, further) for one in (*going, start.field.vanilla))
        due = [place for place in places if tries[place].left]
        if due:
            by_place = {_place(one, further): one for one in (start.field.vanilla, *going)}
            return tuple(_repeat(by_place[place], further) for place in due)
        going = [one for one in going if tries[_place(one, further)].done]
        if not going:
            return ()
        seen = [*searched, *_repeats_until(further, records, (*going, start.field.vanilla))]
        going = _better_half(going, seen, objective)
    return ()


@dataclass(slots=True)
class _Tries:
    done: bool = False
    failed: int = 0

    @property
    def left(self) -> bool:
        return not self.done and self.failed < MOST_TRIES


def _tries(records: Sequence[TrialRecord], objective: Objective) -> Mapping[Place, _Tries]:
    tries: dict[Place, _Tries] = defaultdict(_Tries)
    for record in records:
        if record.role in ("search", "repeat"):
            one = tries[configuration(record.config), seed_of(record)]
            scorable = is_scorable(record, objective)
            one.done |= scorable
            one.failed += not scorable
    return tries


def _place(candidate: Candidate, further: int) -> Place:
    return configuration(candidate.first.config), seed_of(candidate.first) + further


def _repeat(candidate: Candidate, further: int) -> Repeat:
    first = candidate.first
    return Repeat(first.trial_id, {**first.config, "seed": seed_of(first) + further})


def _repeats_until(
    further: int, records: Sequence[TrialRecord], models: Sequence[Candidate]
) -> Iterator[TrialRecord]:
    """Yield the models' repeats up to the `further`th seed: later ones don't change an earlier round."""
    places = {_place(model, number) for model in models for number in range(1, further + 1)}
    for record in records:
        if record.role == "repeat" and (configuration(record.config), seed_of(record)) in places:
            yield record


def _better_half(
    going: Sequence[Candidate], seen: Sequence[TrialRecord], objective: Objective
) -> list[Candidate]:
    assessed = assess(seen, objective)
    if isinstance(assessed, str):
        raise ValueError(f"more seeds must leave a field to judge, got {assessed}")
    by_id = {one.trial_id: one for one in going}
    ranked = [assessed.field.candidates[place].trial_id for place in assessed.judged.order]
    return [by_id[trial_id] for trial_id in ranked if trial_id in by_id][: ceil(len(going) / 2)]
