"""The measurement of a model by all ranks: each answers part of the prompts, rank 0 collects all rows."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, TypeVar

import torch.distributed as dist

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.early_kl import SeedDistribution
from lookahead_ray.evaluate.evaluation import Evaluation
from lookahead_ray.evaluate.harness import measure_harness
from lookahead_ray.evaluate.portion import split_at
from lookahead_ray.evaluate.results import Generation
from lookahead_ray.model.load import model_hash
from lookahead_ray.train.allocator import give_back
from lookahead_ray.train.process_group import gather_everywhere, object_group
from lookahead_ray.trial.epoch_signals import EpochSignals
from lookahead_ray.trial.fine_tuning import TrainedModel
from lookahead_ray.trial.job import EndMeasuring
from lookahead_ray.trial.measurement import Measurement, versions
from lookahead_ray.trial.reporter import ProgressReporter

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Value = TypeVar("Value")


@dataclass(frozen=True)
class Measuring:
    """One rank's measurements of the models of a trial: one, or one for each share of its merge."""

    config: TrialConfig
    evaluation: Evaluation
    seed: SeedDistribution
    signals: EpochSignals
    reporter: ProgressReporter
    data_hash: str
    models: int  # number of models
    changed: bool  # whether even the first model may differ from the one of the last signal
    end_measuring: EndMeasuring | None = None  # a rule by which a model's prompts end early

    def measure(self, trained: TrainedModel, index: int, stopped: bool) -> Measurement | None:
        """Return the measurement of the model with this index on rank 0, None on other ranks.

        All ranks must call this together. The signals belong to the first model.

        Raises:
            FloatingPointError: a score or the KL divergence is not finite.
        """
        start = time.perf_counter()
        give_back()  # holes that training, or the cache of other answers, left between tensors
        model, evaluation, signals = trained.model, self.evaluation, self.signals
        model.eval()  # type: ignore[no-untyped-call]  # Transformers lacks its annotation
        judging = self.reporter.part_of("judging", index, self.models)
        generations, reason = ([], None) if stopped else self._answers(model, index)
        abilities = {}
        if self.config.evaluation.harness and not stopped and not reason:
            parts = (evaluation.rank, evaluation.world_size)
            abilities = measure_harness(
                model, evaluation.tokenizer, self.config.evaluation.harness, *parts, judging
            )
        self.reporter.report("ending", "collecting the results of all ranks")
        is_other = self.changed or trained.finished  # than at the last signal
        kl = evaluation.kl.measure(model, self.seed) if is_other else signals.token_kl
        gathered = _gather((generations, kl, abilities, evaluation.outage))
        if gathered is None:
            return None
        _check_scores(row for rows, *_ in gathered for row in rows)
        measured = tuple(signals.measured) if index == 0 else ()
        ordered = tuple(evaluation.in_order(row for rows, *_ in gathered for row in rows))
        return Measurement(
            workers=evaluation.world_size,
            zero_stage=trained.zero_stage,
            train_tokens=sum(step.tokens for step in trained.steps),
            flops=trained.flops,
            seconds_train=trained.seconds,
            seconds_evaluate=time.perf_counter() - start + sum(signal.seconds for signal in measured),
            data_hash=self.data_hash,
            model_hash=model_hash(self.config.model),
            versions=versions(),
            preparation=trained.preparation,
            stopped=stopped,
            asked=len({(row.metric, row.suite, row.attack, row.prompt_id) for row in ordered}),
            ended_because=reason,
            outage=next((outage for *_, outage in gathered if outage), None),
            harness={task: score for _, _, scores, _ in gathered for task, score in scores.items()},
            steps=trained.steps,
            signals=measured,
            generations=ordered,
            token_kl=tuple(evaluation.kl.in_order(row for _, rows, *_ in gathered for row in rows)),
        )

    def _answers(self, model: "PreTrainedModel", index: int) -> tuple[list[Generation], str | None]:
        """Return this rank's answers, and on all ranks why not all prompts were asked; None if they were.

        Rank 0 decides at the looks of `end_measuring`, by the answers of all ranks.
        """
        answering = self.reporter.part_of("answering", index, self.models)
        judging = self.reporter.part_of("judging", index, self.models)
        rule, rows = self.end_measuring, list[Generation]()
        looks = rule.looks if rule else ()
        for look, portion in enumerate(split_at(looks)):
            reports = (portion.report(answering), portion.report(judging))
            rows += self.evaluation.generations(model, *reports, portion)
            if rule and look < len(looks):
                gathered = _gather(rows)
                reason = None
                if gathered is not None:
                    found = self.evaluation.in_order(row for part in gathered for row in part)
                    reason = rule.reason_to_end(look, found)
                if reason := gather_everywhere(reason)[0]:
                    return rows, reason
        return rows, None


def _check_scores(rows: Iterable[Generation]) -> None:
    for row in rows:
        if row.score is not None and not isfinite(row.score):
            raise FloatingPointError(
                f"the score of {row.metric} for {row.prompt_id} is {row.score}: the model's logits are not "
                "finite; lower training.learning_rate"
            )


def _gather(value: Value) -> list[Value] | None:
    """Return the values of all ranks on rank 0, None on other ranks."""
    gathered = [value] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(value, gathered, dst=0, group=object_group())
    return gathered
