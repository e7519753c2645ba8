"""Passes of an evaluation: prompts to answer, prefilled starts of answers, and judges.

Prompts are sharded among the ranks; the process that gathers all rows sorts them with `in_order`. Safety
prompts are rendered with the task's system prompt, as in training, unless the configuration sets another;
task prompts are rendered with each row's own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lookahead_ray.config.defence import DefenceConfig
from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.data.chat import answer_ids, opens_thoughts, read_reply, start_answer_with
from lookahead_ray.data.suites.attacks import NO_ATTACK, Attack, load_attacks
from lookahead_ray.data.suites.suite import SafetySuite
from lookahead_ray.data.tasks.registry import Task
from lookahead_ray.data.thoughts import Reply
from lookahead_ray.evaluate.early_kl import EarlyKl, OnRows, no_rows
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.prompting import Ids, PromptRunner
from lookahead_ray.evaluate.generation.registry import build_generator
from lookahead_ray.evaluate.judges.base import PrefixStable
from lookahead_ray.evaluate.judges.call_quota import CallQuota
from lookahead_ray.evaluate.judging import NamedJudge, build_judge, share
from lookahead_ray.evaluate.portion import ALL, Portion
from lookahead_ray.evaluate.results import Generation
from lookahead_ray.evaluate.safety_prompts import Question, check_measurable, questions
from lookahead_ray.evaluate.teacher_forced import answer_nats
from lookahead_ray.evaluate.utility import (
    reference_rows,
    second_half,
    task_shard,
    utility_prompts,
    utility_rows,
)
from lookahead_ray.evaluate.verdict_stop import VerdictStop, how_it_ended
from lookahead_ray.method.reporting import GenerationProgress, Report, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

METRICS = ("rsr", "jsr", "over_refusal", "utility")
"""Metrics, in the order in which they are measured."""


@dataclass(frozen=True)
class Evaluation:
    """One rank's part of an evaluation: its prompts, and how to answer and judge them.

    The constructor reads the attacks' files and loads the judges, so that errors in them are found before
    any training.

    Raises:
        ConfigError: no prompts remain for a measurement (see `check_measurable`), or a judge can't be used.
        DataError: a file of an attack can't be used.
        ModelError: a judge's model can't be loaded.
    """

    tokenizer: "PreTrainedTokenizerBase"
    task: Task
    suites: Sequence[SafetySuite]
    config: EvaluationConfig
    defence: DefenceConfig = field(default_factory=DefenceConfig)
    rank: int = 0
    world_size: int = 1
    quota: CallQuota | None = None
    """Counts the calls of paid judges over all ranks and trials of a run; None: each rank gets a share."""
    attacks: tuple[Attack, ...] = field(init=False)
    judges: tuple[NamedJudge, ...] = field(init=False)
    runner: PromptRunner = field(init=False)
    kl: EarlyKl = field(init=False)
    last_answers: dict[Ids, Ids] = field(init=False, default_factory=dict)
    """This rank's last answer to each prompt, the draft of the next model's answer.

    Models that are measured one after the other have shares of one training, and many answers begin alike.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", load_attacks(self.config.attacks))
        check_measurable(self.suites, self.attacks, self.config)
        counted = self.quota is not None
        parts = (share(judge, self.rank, self.world_size, counted) for judge in self.config.judges)
        judges = (build_judge(part, self.quota) for part in parts)
        object.__setattr__(self, "judges", tuple(judges))
        runner = PromptRunner(self.tokenizer, self.defence, self.rank, self.world_size)
        object.__setattr__(self, "runner", runner)
        object.__setattr__(self, "kl", EarlyKl(runner, self.suites, self.config, self._safety_system))

    @property
    def data_hashes(self) -> list[str]:
        """Return the suites' hashes and the suffixes: the data measured on, besides the task."""
        suffixes = [attack.suffix for attack in self.attacks if attack.suffix]
        return [*(suite.data_hash for suite in self.suites), *suffixes]

    def answer_loss(self, model: "PreTrainedModel", progress: OnRows = no_rows) -> tuple[float, int]:
        """Return teacher-forced (nats, tokens) of this rank's shard of the first `signal_examples` test rows.

        Only the second half of each answer counts: previews change how an answer opens, on purpose, and the
        opening says little about whether the task is learnt.
        """
        examples = self.runner.shard(self.task.test[: self.config.signal_examples])
        rows = [
            second_half(row) for row in reference_rows(examples, self.runner, self.config.task_new_tokens)
        ]
        pad_id = self.tokenizer.pad_token_id
        nats = answer_nats(model, rows, pad_id, lambda done: progress(done, len(rows)))
        return sum(nats), sum(len(row.answer_ids) for row in rows)

    def generations(
        self,
        model: "PreTrainedModel",
        answering: Report = quiet,
        judging: Report = quiet,
        portion: Portion = ALL,
    ) -> list[Generation]:
        """Return the answers to this rank's prompts, generated in one call and scored by every judge.

        Args:
            answering: progress of the generation, in the units of `GenerationProgress`.
            judging: progress of the scoring: answers per judge, plus rows whose loss is computed.
            portion: the prompts that are asked; portions of one model follow each other.
        """
        if not portion.start:
            for judge in self.judges:
                judge.outages.clear()
        answers, predictions = self._answers(model, answering, portion)
        is_loss = self.task.metric == "answer_loss"
        losses = len(task_shard(self.task, self.runner, portion)) if is_loss else 0
        counts = [sum(row.metric in judge.metrics for row in answers) for judge in self.judges]
        scored, total = 0, losses + sum(counts)

        def progress(what: str, count: int) -> Callable[[int], None]:
            return lambda done: judging(f"{what} · {done} of {count}", scored + done, total)

        utility = utility_rows(
            model,
            self.task,
            self.runner,
            self.config.task_new_tokens,
            predictions,
            progress("loss of reference answers", losses),
            portion,
        )
        scored += losses
        rows: list[Generation] = []
        for judge, count in zip(self.judges, counts, strict=True):
            on_answers = progress(f"judge {judge.config.name}: answers", count)
            on_answers(0)
            rows += judge.judged(answers, on_answers)
            judge.warn()
            scored += count
        return rows + utility

    @property
    def outage(self) -> str | None:
        """Return why answers to the last model's prompts are unjudged; None if none are."""
        return "; ".join(outage for judge in self.judges for outage in judge.outages) or None

    def _answers(
        self, model: "PreTrainedModel", report: Report, portion: Portion
    ) -> tuple[list[Generation], list[Reply]]:
        """Return the answers to this rank's safety prompts, not yet judged, and to its task prompts."""
        metrics = {metric for judge in self.judges for metric in judge.metrics}
        parts = questions(self.suites, self.attacks, metrics)
        asked = (portion.of(part, lambda question: question.place) for part in parts)
        shard = [question for part in asked for question in self.runner.shard(part)]
        starts = [self._start(question) for question in shard]
        safety_prompts = [
            self._prompt(question, start) for question, start in zip(shard, starts, strict=True)
        ]
        task_prompts = utility_prompts(self.task, self.runner, portion)
        prefills = [
            question.attack.prefill or str(self.tokenizer.decode(list(start)))
            for question, start in zip(shard, starts, strict=True)
        ]
        stops = [self._stop(question, prefill) for question, prefill in zip(shard, prefills, strict=True)]
        limits = [self.config.safety_limit(decides=stop is not None) for stop in stops]
        task_limits = [self.config.task_new_tokens] * len(task_prompts)
        each = " per rank" if self.world_size > 1 else ""

        def on_generation(progress: GenerationProgress) -> None:
            detail = f"answering {len(limits) + len(task_limits)} prompts{each} · {progress}"
            report(detail, progress.done, progress.total)

        settings = DecodingSettings.of(model, self.tokenizer, self.config.batch_size)
        prompts = [*safety_prompts, *task_prompts]
        generated = self.runner.generate(
            build_generator(model, settings, self.config.backend),
            prompts,
            [*limits, *task_limits],
            on_generation,
            [*stops, *[None] * len(task_prompts)],
            self.last_answers,
        )
        self.last_answers.update(zip(prompts, generated, strict=True))
        answers = [
            question.answered(
                prefill,
                read_reply(self.tokenizer, answer, self._opened(prefill)),
                how_it_ended(answer, limit, stop),
            )
            for question, prefill, answer, limit, stop in zip(
                shard, prefills, generated, limits, stops, strict=False
            )
        ]
        opened = self._opened("")
        return answers, [read_reply(self.tokenizer, answer, opened) for answer in generated[len(shard) :]]

    def in_order(self, rows: Iterable[Generation]) -> list[Generation]:
        """Sort rows by metric as measured, then by judge, attack and suite as configured, then by prompt.

        The order does not depend on the number of ranks. For each metric, the rows that give the trial's rate
        come first (see `rates`).
        """
        judges = [judge.name for judge in self.judges]
        attacks = [attack.name for attack in self.attacks]
        suites = [suite.name for suite in self.suites]

        def place(row: Generation) -> tuple[int | str, ...]:
            if row.metric == "utility":
                return METRICS.index(row.metric), 0, 0, 0, row.prompt_id
            attack = -1 if row.attack == NO_ATTACK else attacks.index(row.attack)
            suite = suites.index(row.suite)
            return METRICS.index(row.metric), judges.index(row.judge), attack, suite, row.prompt_id

        return sorted(rows, key=place)

    def _stop(self, question: Question, prefill: str) -> VerdictStop | None:
        """Return when an answer may end early; None if a judge needs the whole answer."""
        judges = [judge.judge for judge in self.judges if question.metric in judge.metrics]
        stable = tuple(judge for judge in judges if isinstance(judge, PrefixStable))
        if not self.config.stop_when_decided or len(stable) < len(judges):
            return None
        return VerdictStop(self.tokenizer, stable, question.item.prompt, prefill, self._opened(prefill))

    def _opened(self, prefill: str) -> bool:
        """Return whether an answer begins in thoughts; a prefilled start is part of the answer itself."""
        return not prefill and opens_thoughts(self.tokenizer)

    def _start(self, question: Question) -> Ids:
        """Return the token ids of the answer's prefilled start; empty without a prefill."""
        attack = question.attack
        if attack.opening_tokens:
            return answer_ids(self.tokenizer, question.item.opening)[: attack.opening_tokens]
        return answer_ids(self.tokenizer, attack.prefill)

    def _prompt(self, question: Question, start: Ids) -> Ids:
        """Return the token ids of the request under its attack, followed by the answer's `start`."""
        request = question.attack.apply(question.item.prompt)
        render = self.runner.render_start if start else self.runner.render
        return start_answer_with(self.tokenizer, render(request, self._safety_system), start)

    @property
    def _safety_system(self) -> str | None:
        return self.config.safety_system or self.task.system
