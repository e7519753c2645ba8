"""Passes of an evaluation: prompts to answer, prefilled starts of answers, and judges.

Prompts are sharded among the ranks; the process that gathers all rows sorts them with `in_order`. Safety
prompts are rendered with the task's system prompt, as in training, unless the configuration sets another;
task prompts are rendered with each row's own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from lookahead_ray.config.defence import DefenceConfig
from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.data.chat import answer_ids
from lookahead_ray.data.suites.attacks import NO_ATTACK, Attack, load_attacks
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, take_evenly
from lookahead_ray.data.tasks.registry import Task
from lookahead_ray.evaluate.generation.prompting import Ids, PromptRunner
from lookahead_ray.evaluate.judging import NamedJudge, build_judge, share
from lookahead_ray.evaluate.results import Generation, TokenKl
from lookahead_ray.evaluate.safety_prompts import Question, check_measurable, questions
from lookahead_ray.evaluate.teacher_forced import answer_nats, divergence, early_log_probs
from lookahead_ray.evaluate.utility import reference_rows, second_half, utility_prompts, utility_rows
from lookahead_ray.method.reporting import Report, Writing, quiet
from lookahead_ray.model.llama2 import start_answer_with

METRICS = ("rsr", "jsr", "over_refusal", "utility")
"""Metrics, in the order in which they are measured."""

OnRows = Callable[[int, int], None]
"""Callback that takes the number of rows done and the total number of rows."""


def no_rows(done: int, rows: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class SeedDistribution:
    """The seed model's distributions on this rank's KL requests, before training."""

    forced: list[Ids]  # per request: the token ids that both models are teacher-forced along
    log_probs: torch.Tensor  # (requests, positions, vocab), see `teacher_forced.early_log_probs`


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

    tokenizer: Any
    task: Task
    suites: Sequence[SafetySuite]
    config: EvaluationConfig
    defence: DefenceConfig = field(default_factory=DefenceConfig)
    rank: int = 0
    world_size: int = 1
    attacks: tuple[Attack, ...] = field(init=False)
    judges: tuple[NamedJudge, ...] = field(init=False)
    runner: PromptRunner = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", load_attacks(self.config.attacks))
        check_measurable(self.suites, self.attacks, self.config)
        judges = (build_judge(share(judge, self.rank, self.world_size)) for judge in self.config.judges)
        object.__setattr__(self, "judges", tuple(judges))
        runner = PromptRunner(
            self.tokenizer, self.config.batch_size, self.defence, self.rank, self.world_size
        )
        object.__setattr__(self, "runner", runner)

    @property
    def data_hashes(self) -> list[str]:
        """Return the suites' hashes and the suffixes: the data measured on, besides the task."""
        suffixes = [attack.suffix for attack in self.attacks if attack.suffix]
        return [*(suite.data_hash for suite in self.suites), *suffixes]

    def kl_reference(self, model: Any, report: Report = quiet) -> SeedDistribution:
        """Return the reference distributions for `token_kl`, before training; progress counts requests."""
        prompts = [self._safety_prompt(item.prompt) for _, item in self._kl_items()]
        count = len(prompts)
        before = 0 if self.config.kl_on == "openings" else count  # generation counts as much as the passes do

        def wrote(writing: Writing) -> None:
            done = count * writing.share
            report(f"KL reference: answering {count} prompts · {writing}", done, before + count)

        def passed(done: int) -> None:
            report(f"KL reference · {done} of {count} requests", before + done, before + count)

        if self.config.kl_on == "openings":
            forced = [answer_ids(self.tokenizer, item.opening) for _, item in self._kl_items()]
        else:
            forced = self.runner.generate(model, prompts, max(self.config.kl_tokens - 1, 0), wrote)
        if count:
            passed(0)
        return SeedDistribution(forced, self._log_probs(model, prompts, forced, passed))

    def token_kl(self, model: Any, seed: SeedDistribution, progress: OnRows = no_rows) -> list[TokenKl]:
        """Return KL(model || seed model) in nats at every position where both distributions are known.

        Teacher-forced along the openings, or along the seed model's greedy answers up to their end token.
        """
        items = self._kl_items()
        prompts = [self._safety_prompt(item.prompt) for _, item in items]
        log_probs = self._log_probs(model, prompts, seed.forced, lambda done: progress(done, len(prompts)))
        values = divergence(log_probs, seed.log_probs)
        return [
            TokenKl(suite, item.id, position, value)
            for (suite, item), row in zip(items, values.tolist(), strict=True)
            for position, value in enumerate(row, start=1)
            if value == value  # NaN: after the end of a short text, nothing to compare
        ]

    def answer_loss(self, model: Any, progress: OnRows = no_rows) -> tuple[float, int]:
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

    def generations(self, model: Any, answering: Report = quiet, judging: Report = quiet) -> list[Generation]:
        """Return the answers to all of this rank's prompts, generated in one call and scored by every judge.

        Args:
            answering: progress of the generation, in the units of `Writing`.
            judging: progress of the scoring: answers per judge, plus rows whose loss is computed.
        """
        metrics = {metric for judge in self.judges for metric in judge.metrics}
        parts = questions(self.suites, self.attacks, metrics)
        asked = [question for part in parts for question in self.runner.shard(part)]
        starts = [self._start(question) for question in asked]
        requests = [self._safety_prompt(question.attack.ask(question.item.prompt)) for question in asked]
        begins = [start_answer_with(self.tokenizer, *both) for both in zip(requests, starts, strict=True)]
        task_prompts = utility_prompts(self.task, self.runner)
        limits = [self.config.safety_new_tokens] * len(begins)
        limits += [self.config.task_new_tokens] * len(task_prompts)
        each = " per rank" if self.world_size > 1 else ""

        def wrote(writing: Writing) -> None:
            detail = f"answering {len(limits)} prompts{each} · {writing}"
            answering(detail, writing.done, writing.total)

        texts = self.runner.generate_text(model, [*begins, *task_prompts], limits, wrote)
        answers = [
            question.answered(question.attack.prefill or self.tokenizer.decode(start), answer)
            for question, start, answer in zip(asked, starts, texts[: len(asked)], strict=True)
        ]
        losses = 0 if task_prompts else len(self.runner.shard(self.task.test))
        counts = [sum(row.metric in judge.metrics for row in answers) for judge in self.judges]
        scored, total = 0, losses + sum(counts)

        def progress(what: str, count: int) -> Callable[[int], None]:
            return lambda done: judging(f"{what} · {done} of {count}", scored + done, total)

        utility = utility_rows(
            model,
            self.task,
            self.runner,
            self.config.task_new_tokens,
            texts[len(asked) :],
            progress("loss of reference answers", losses),
        )
        scored += losses
        rows: list[Generation] = []
        for judge, count in zip(self.judges, counts, strict=True):
            judged = progress(f"judge {judge.config.name}: answers", count)
            judged(0)
            rows += judge.judged(answers, judged)
            judge.warn()
            scored += count
        return rows + utility

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

    def kl_in_order(self, rows: Iterable[TokenKl]) -> list[TokenKl]:
        """Sort rows by suite as configured, then by prompt and position."""
        suites = [suite.name for suite in self.suites]
        return sorted(rows, key=lambda row: (suites.index(row.suite), row.prompt_id, row.position))

    def _start(self, question: Question) -> tuple[int, ...]:
        attack = question.attack
        if attack.opening_tokens:
            return answer_ids(self.tokenizer, question.item.opening)[: attack.opening_tokens]
        return answer_ids(self.tokenizer, attack.prefill)

    def _kl_items(self) -> list[tuple[str, SafetyPrompt]]:
        """Return this rank's (suite, request) pairs; suites without openings to measure along are skipped."""
        if self.config.kl_tokens == 0:
            return []
        along_openings = self.config.kl_on == "openings"
        return self.runner.shard(
            [
                (suite.name, item)
                for suite in self.suites
                if suite.has_openings or not along_openings
                for item in take_evenly(suite.harmful, self.config.kl_prompts)
            ]
        )

    def _log_probs(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        forced: Sequence[Sequence[int]],
        progress: Callable[[int], None],
    ) -> torch.Tensor:
        return early_log_probs(
            model,
            prompts,
            forced,
            positions=self.config.kl_tokens,
            batch_size=self.config.batch_size,
            pad_id=self.tokenizer.pad_token_id,
            progress=progress,
        )

    def _safety_prompt(self, request: str) -> Ids:
        return self.runner.render(request, self.config.safety_system or self.task.system)
