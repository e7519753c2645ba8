"""Which configurations are run again with other seeds once a search has ended. Pure; no Ray in here.

Successive halving: the best few near the front are run with one further seed each, vanilla beside them; the
better half of these, judged by all seeds so far, with the next one, and so on. Everything follows from the
committed records, so a sweep that was interrupted goes on where it was; if its search goes on as well, who
is near the front is asked anew, and no repeat is lost.
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
"""How often a repeat is tried; who fails as often is out, and of vanilla the seed is left out."""

Place = tuple[str, int]
"""Configuration without its seed, as a hash, and seed."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A trial to be run again."""

    of: str  # id of the trial whose configuration it has
    config: dict[str, Any]  # resolved, with the other seed


def next_repeats(
    records: Sequence[TrialRecord], objective: Objective, config: ConfirmConfig
) -> tuple[Repeat, ...]:
    """What is left of the current round, best first and vanilla last; nothing when all is confirmed.

    Who takes part in the first round are the best `candidates` of those that the data can't tell to be worse
    than the best, or that are on the Pareto front; half as many, rounded up, in each later one. Seeds are the
    trial's own + 1, + 2, … Repeats that failed come again until `MOST_TRIES`.
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
    """The models' repeats with seeds up to the `further`th: later ones don't change an earlier round."""
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
