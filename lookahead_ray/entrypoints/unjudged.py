"""Completion of a run's unjudged trials, without its space file: `rejudge RUN`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lookahead_ray import store
from lookahead_ray.config.judge import JudgeConfig, LlmJudge
from lookahead_ray.config.objective import HasObjective, Objective, WeightedObjective
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.config.validation import Source, validated
from lookahead_ray.config.yaml_io import override
from lookahead_ray.entrypoints import errors
from lookahead_ray.errors import ConfigError, StoreError
from lookahead_ray.evaluate.judges.registry import judge_id
from lookahead_ray.sweep.interfaces import Sink
from lookahead_ray.sweep.late_judging import LateJudging
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.record import TextStripper, TrialRecord


@dataclass(frozen=True)
class Completion:
    """The trials that were completed, and the run's state afterwards."""

    completed: list[TrialRecord]
    records: list[TrialRecord]
    reason: str | None  # why trials are left unjudged
    recommendation: Recommendation | None  # None without references


class _Unobserved:
    """An observer of nothing."""

    def __getattr__(self, event: str) -> Callable[..., None]:
        return lambda *arguments: None


def complete_unjudged(run: str, overrides: Sequence[str]) -> Completion:
    """Judge the answers of `run` whose judge was down and complete their trials, scored.

    `overrides` set fields of the run's `llm` judges that change no verdict, such as `max_calls`.

    Raises:
        ConfigError: an override is invalid or would make another judge.
        StoreError: another driver writes to the run, or no trial is unjudged.
    """
    with store.lock(run, errors.print_to_stderr) as hold:
        opened = store.open(run)
        writer = store.create(run, opened.identity, hold)
        stripper = TextStripper()
        committed = [stripper.strip_texts(record) for record in opened.each_record()]
        waiting = [record for record in committed if record.status == "unjudged"]
        if not waiting:
            raise StoreError(f"{run}: must have unjudged trials, got none; --judge scores answers again")

        def load(trial_id: str) -> TrialRecord:
            return store.open(run).record(trial_id)

        sink = Sink(run, opened.identity.sweep_id, committed, writer.commit, load, writer.complete, hold.keep)
        objective = _objective(opened.identity.config)
        trial_log = TrialLog(objective, committed, writer.commit, _Unobserved())
        late = LateJudging([*_judges(waiting, overrides).values()], sink, trial_log)
        completed = late.judge()
        found = recommend(trial_log.records, objective) if trial_log.references else None
        return Completion(completed, trial_log.records, late.reason, found)


def _objective(config: dict[str, Any]) -> Objective:
    """Return the run's objective; any for a run without one, in which nothing is scored."""
    if "objective" not in config:
        return WeightedObjective()
    return HasObjective.model_validate({"objective": config["objective"]}).objective


def _judges(records: Sequence[TrialRecord], overrides: Sequence[str]) -> dict[str, JudgeConfig]:
    """Return the trials' judges by name, with `overrides` of the `llm` judges."""
    found: dict[str, JudgeConfig] = {}
    for record in records:
        for judge in TrialConfig.model_validate(record.config).evaluation.judges:
            name = judge_id(judge)
            if isinstance(judge, LlmJudge) and overrides:
                tree = override(judge.model_dump(mode="json"), overrides)
                judge = validated(LlmJudge, tree, Source(name, tuple(overrides)), "")
                if judge_id(judge) != name:
                    rule = "must set only limits of the run's judge, such as max_calls; --judge takes another"
                    raise ConfigError(f"--set {' '.join(overrides)}: {rule}")
            found[name] = judge
    return found
