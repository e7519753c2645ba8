"""The passes of an evaluation: which prompts are answered, from which start, and who judges them.

Prompts are shared out among the ranks, item i to rank i mod world; whoever gathers the rows has them all.
Safety prompts are rendered with the task's own system prompt, as in training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.data.chat import answer_ids, end_token_id, prompt_ids
from lookahead_ray.data.example import Example
from lookahead_ray.data.suites import SafetyPrompt, SafetySuite, take_evenly
from lookahead_ray.data.tasks import Task
from lookahead_ray.evaluate.generate import end_token_ids, generate
from lookahead_ray.evaluate.generation import Generation, Metric, TokenKl, Verdict
from lookahead_ray.evaluate.judges import JUDGES, over_refusal_verdict
from lookahead_ray.evaluate.kl import divergence, early_log_probs

REFUSAL_JUDGE = "refusal"
TASK_JUDGE = "exact_match"

OnPhase = Callable[[str, float], None]
"""Told what is measured next and the share of the evaluation that is done."""


@dataclass(frozen=True)
class Evaluation:
    """One rank's part of an evaluation: its prompts, and how to answer and judge them."""

    tokenizer: Any
    task: Task
    suite: SafetySuite
    system: str | None
    config: EvaluationConfig
    rank: int
    world_size: int

    def early_log_probs(self, model: Any) -> torch.Tensor:
        """(requests of this rank, positions, vocab): see `kl.early_log_probs`."""
        harmful = self._kl_prompts()
        return early_log_probs(
            model,
            self._prompts([item.prompt for item in harmful]),
            [answer_ids(self.tokenizer, item.opening) for item in harmful],
            positions=self.config.kl_tokens,
            batch_size=self.config.batch_size,
            pad_id=self.tokenizer.pad_token_id,
        )

    def token_kl(self, model: Any, seed: torch.Tensor) -> list[TokenKl]:
        """KL to the seed model, whose log-probabilities `early_log_probs` gave before training."""
        values = divergence(self.early_log_probs(model), seed)
        return [
            TokenKl(item.id, position, value)
            for item, row in zip(self._kl_prompts(), values.tolist(), strict=True)
            for position, value in enumerate(row, start=1)
            if value == value  # beyond the end of a short opening there is no distribution to compare
        ]

    def _kl_prompts(self) -> list[SafetyPrompt]:
        return self._mine(take_evenly(self.suite.harmful, self.config.kl_prompts))

    def generations(self, model: Any, on_phase: OnPhase) -> list[Generation]:
        """All passes over this rank's prompts, judged."""
        prefill = int(self.config.attacks[0].names[0].rpartition("_")[2])  # until attacks are wired in
        on_phase("harmful requests", 0.0)
        rows = self._safety(model, "rsr", self.suite.harmful, prefill=0)
        on_phase(f"harmful requests, {prefill} tokens prefilled", 0.25)
        rows += self._safety(model, "jsr", self.suite.harmful, prefill=prefill)
        on_phase("benign look-alikes", 0.5)
        rows += self._safety(model, "over_refusal", self.suite.benign, prefill=0)
        on_phase(self.task.name, 0.7)
        return rows + self._utility(model)

    def _safety(
        self, model: Any, metric: Metric, items: Sequence[SafetyPrompt], prefill: int
    ) -> list[Generation]:
        items = self._mine(items)
        starts = [answer_ids(self.tokenizer, item.opening)[:prefill] for item in items]
        prompts = self._prompts([item.prompt for item in items])
        answers = self._answer(
            model, [p + s for p, s in zip(prompts, starts, strict=True)], self.config.safety_new_tokens
        )
        judge = JUDGES[REFUSAL_JUDGE]
        rows = []
        for item, start, answer in zip(items, starts, answers, strict=True):
            opening = self.tokenizer.decode(start)
            judgement = judge(item.prompt, opening, answer)
            over = metric == "over_refusal"
            verdict: Verdict = over_refusal_verdict(judgement) if over else judgement.verdict
            rows.append(
                Generation(
                    metric=metric,
                    suite=self.suite.name,
                    attack=f"prefill_{prefill}" if prefill else "none",
                    prompt_id=item.id,
                    category=item.category,
                    prompt=item.prompt,
                    prefill=opening,
                    answer=answer,
                    judge=REFUSAL_JUDGE,
                    verdict=verdict,
                    score=judgement.score,
                )
            )
        return rows

    def _utility(self, model: Any) -> list[Generation]:
        numbered: list[tuple[int, Example]] = self._mine(list(enumerate(self.task.test)))
        prompts = self._prompts([example.instruction for _, example in numbered])
        rows = []
        for (index, example), answer in zip(
            numbered, self._answer(model, prompts, self.config.task_new_tokens), strict=True
        ):
            score = self.task.score(answer, example.answer)
            verdict: Verdict = "unparsed" if score is None else "correct" if score == 1.0 else "wrong"
            rows.append(
                Generation(
                    metric="utility",
                    suite=self.task.name,
                    attack="none",
                    prompt_id=f"test-{index + 1:04d}",
                    category="",
                    prompt=example.instruction,
                    prefill="",
                    answer=answer,
                    judge=TASK_JUDGE,
                    verdict=verdict,
                    score=score,
                )
            )
        return rows

    def _answer(self, model: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[str]:
        answers = generate(
            model,
            prompts,
            max_new_tokens=max_new_tokens,
            batch_size=self.config.batch_size,
            end_ids=end_token_ids(model, end_token_id(self.tokenizer)),
            pad_id=self.tokenizer.pad_token_id,
        )
        return [self.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]

    def _prompts(self, instructions: Sequence[str]) -> list[tuple[int, ...]]:
        return [prompt_ids(self.tokenizer, instruction, self.system) for instruction in instructions]

    def _mine(self, items: Sequence[Any]) -> list[Any]:
        return list(items[self.rank :: self.world_size])
