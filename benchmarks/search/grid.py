"""A recorded grid: every training of a space, each of its shares evaluated once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from benchmarks.common import BenchmarkError
from benchmarks.search.answers import Answers, Prompts, generations_of
from lookahead_ray.config import merge
from lookahead_ray.config.load import Sweep
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.trial.record import TrialRecord


def key(params: Mapping[str, Any]) -> str:
    """Return the identity of a point: the values of its dimensions in a fixed order."""
    return json.dumps(params, sort_keys=True)


Training = tuple[TrialRecord, ...]
"""The measured points of one training, the largest share first."""


@dataclass(frozen=True)
class Grid:
    """The results of every training of a space; records have only the columns of the file.

    Without shares, a training has one point.
    """

    sweep: Sweep
    seed: TrialRecord
    vanilla: TrialRecord
    trainings: Mapping[str, Training]  # by `key`; includes vanilla if it is a point of the space
    about: Mapping[str, str]  # command, versions, recorded, space
    prompts: Prompts = field(default_factory=dict)  # empty without answers
    answers: Mapping[str, Answers] = field(default_factory=dict)  # by trial id; empty without answers

    @cached_property
    def points(self) -> Mapping[str, TrialRecord]:
        """The first point of each training, by `key`: its only one without shares."""
        return {name: training[0] for name, training in self.trainings.items()}

    @cached_property
    def records(self) -> tuple[TrialRecord, ...]:
        """Vanilla and the points of all trainings."""
        rest = (record for training in self.trainings.values() for record in training)
        return (self.vanilla, *(record for record in rest if record.trial_id != self.vanilla.trial_id))

    @property
    def vanilla_points(self) -> Training:
        """The points of vanilla's training."""
        return self.trainings.get(key(self.vanilla.params), (self.vanilla,))

    @property
    def references(self) -> ReferenceTrials:
        """The trials to which safety and utility are relative."""
        return ReferenceTrials(self.seed, self.vanilla)

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares that are measured after each training, the largest first."""
        return tuple(sorted({share_of(record) for record in self.records}, reverse=True))

    @property
    def train_tokens(self) -> int:
        """Training tokens of vanilla and all trainings together; vanilla counts once if it is one of them."""
        return sum(map(tokens, self.records))

    @property
    def generated_tokens(self) -> int:
        """Tokens generated to measure the seed model, vanilla and all points; 0 if they were not recorded."""
        return sum(map(self.generated, (self.seed, *self.records)))

    @cached_property
    def answered(self) -> "Grid":
        """The grid with its answers in the records' generations, without texts."""

        answered = {
            record.trial_id: record.with_measured(
                generations=generations_of(self.answers[record.trial_id], self.prompts)
            )
            for record in (self.seed, *self.records)
        }
        trainings = {
            name: tuple(answered[point.trial_id] for point in points)
            for name, points in self.trainings.items()
        }
        seed, vanilla = answered[self.seed.trial_id], answered[self.vanilla.trial_id]
        return replace(self, seed=seed, vanilla=vanilla, trainings=trainings)

    def generated(self, record: TrialRecord) -> int:
        """Return the tokens generated to measure a point; 0 if they were not recorded."""
        found = self.answers.get(record.trial_id)
        return found.generated if found else 0


def tokens(record: TrialRecord) -> int:
    """Return the training tokens of a point, 0 for further shares; BenchmarkError if not recorded."""
    if record.train_tokens is None:
        raise BenchmarkError(f"trial {record.trial_id}: must have train_tokens, got none")
    return record.train_tokens


def share_of(record: TrialRecord) -> float:
    """Return the share of the change by training that the point keeps."""
    return float(merge.share_of(record.config))


def make_grid(
    sweep: Sweep,
    records: Sequence[TrialRecord],
    about: Mapping[str, str],
    prompts: Prompts | None = None,
    answers: Mapping[str, Answers] | None = None,
) -> Grid:
    """Sort records into a grid. BenchmarkError if one is missing, not completed or duplicated."""
    for record in records:
        if record.status != "completed" or len(record.objectives) < 2:
            got = f"{record.status}, {len(record.objectives)} objectives"
            raise BenchmarkError(
                f"trial {record.trial_id}: must be completed with safety and utility, got {got}"
            )
    seed, vanilla = (_only(records, role) for role in ("seed", "vanilla"))
    trainings: dict[str, list[TrialRecord]] = {}
    for record in sorted(records, key=share_of, reverse=True):
        if record.role == "search":
            trainings.setdefault(key(record.params), []).append(record)
    for points in trainings.values():
        _check_training(points)
    if vanilla.params:
        found = trainings.get(key(vanilla.params), [])
        # a training of the same point gave the same model
        trainings[key(vanilla.params)] = [vanilla, *(point for point in found if share_of(point) < 1)]
    whole = {name: tuple(points) for name, points in trainings.items()}
    return Grid(sweep, seed, vanilla, whole, dict(about), prompts or {}, answers or {})


def _check_training(points: Sequence[TrialRecord]) -> None:
    shares = list(map(share_of, points))
    if len(set(shares)) < len(shares):
        first = points[0]
        raise BenchmarkError(f"{first.trial_id}: each point must occur once, got {first.params} twice")


def _only(records: Sequence[TrialRecord], role: str) -> TrialRecord:
    found = [record for record in records if record.role == role]
    if len(found) != 1:
        raise BenchmarkError(f"a grid must have one {role} trial, got {len(found)}")
    return found[0]
