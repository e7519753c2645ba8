"""Trials in an Optuna study, identified by the trials' own ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from lookahead_ray.objective.base import ObjectiveValues, standing
from lookahead_ray.objective.dominance import dominates
from lookahead_ray.trial.record import Metric, Rate, TrialRecord

TRIAL_ID, ROLE = "trial_id", "role"  # user attributes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an ended trial, as reported to a study."""

    values: tuple[float, ...] = ()  # one per objective, maximised; empty: the trial failed
    constraint: float | None = None  # at most 0 is feasible
    attributes: dict[str, Any] = field(default_factory=dict)


def outcome(record: TrialRecord, estimated: ObjectiveValues | None = None) -> Outcome:
    """Return a record's outcome; a stopped or partial trial has the `estimated` values, or fails."""
    attributes: dict[str, Any] = {"status": record.status, **rates(record)}
    if record.status == "completed":
        return Outcome(record.objectives, record.constraint, attributes)
    if record.status in ("stopped", "partial") and estimated:
        return Outcome(estimated.maximised, estimated.constraint, attributes | {"estimated": True})
    return Outcome(attributes=attributes)


def representative_points(points: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the points of a training that are reported to a study, at least one, in their order.

    All points have the same parameters: a share that is measured after training is no dimension. With one
    value it is the best point, as the search asks what a training can reach. With several values it is each
    point that no other point of the training dominates: the training's own front. The dominated ones would
    count as evidence against the parameters of the better ones.
    """
    scored = [point for point in points if point.objectives]
    if not scored:
        return list(points[:1])
    if len(scored[0].objectives) == 1:
        return [min(scored, key=standing)]
    others = {point.trial_id: [one.objectives for one in scored if one is not point] for point in scored}
    front = [
        point
        for point in scored
        if not any(dominates(other, point.objectives) for other in others[point.trial_id])
    ]
    return list({point.objectives: point for point in reversed(front)}.values())[::-1]


def rates(record: TrialRecord) -> dict[str, float]:
    """Return the measured rates by name."""
    metrics: tuple[Metric, ...] = ("rsr", "jsr", "over_refusal", "utility")
    found: dict[str, Rate | None] = {metric: getattr(record, metric) for metric in metrics}
    return {name: rate.value for name, rate in found.items() if rate is not None}


class StudyLog:
    """The running and ended trials of a study.

    Optuna does not prune with multiple objectives, and its TPE failed on pruned trials in that case
    (optuna#3450, #5260): a trial is COMPLETE with values or FAIL without.
    """

    def __init__(self, study: optuna.Study, distributions: Mapping[str, BaseDistribution]) -> None:
        self.study = study
        self._distributions = distributions
        trials = [trial for trial in study.get_trials(deepcopy=False) if TRIAL_ID in trial.user_attrs]
        self._numbers = {trial.user_attrs[TRIAL_ID]: trial.number for trial in trials}
        self.running = {trial.user_attrs[TRIAL_ID] for trial in trials if trial.state == TrialState.RUNNING}

    def __contains__(self, trial_id: str) -> bool:
        return trial_id in self._numbers

    def begin(self, trial_id: str, params: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
        """Add a running trial."""
        self.study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=dict(params),
                distributions={name: self._distributions[name] for name in params},
                user_attrs={TRIAL_ID: trial_id, **attributes},
            )
        )
        self._numbers[trial_id] = self.study.get_trials(deepcopy=False)[-1].number
        self.running.add(trial_id)

    def end(self, trial_id: str, outcome: Outcome) -> None:
        """End a running trial with its outcome."""
        number = self._numbers[trial_id]
        trial = optuna.trial.Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)
        for name, value in outcome.attributes.items():
            trial.set_user_attr(name, value)
        if outcome.values and outcome.constraint is not None:
            trial.set_constraint("floor", outcome.constraint)
        if outcome.values:
            self.study.tell(number, outcome.values)
        else:
            self.study.tell(number, state=TrialState.FAIL)
        self.running.discard(trial_id)
