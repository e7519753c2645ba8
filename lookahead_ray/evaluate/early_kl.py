"""KL divergence to the seed model at the first answer tokens of harmful requests (paper, Figure 3)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import torch

from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.data.chat import answer_ids
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, take_evenly
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.prompting import Ids, PromptRunner
from lookahead_ray.evaluate.generation.registry import build_generator
from lookahead_ray.evaluate.results import TokenKl
from lookahead_ray.evaluate.teacher_forced import divergence, early_logits
from lookahead_ray.method.reporting import GenerationProgress, Report, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OnRows = Callable[[int, int], None]
"""Callback that takes the number of rows done and the total number of rows."""


def no_rows(done: int, rows: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class SeedDistribution:
    """The seed model's distributions on this rank's KL requests, before training."""

    forced: list[Ids]  # per request: the token ids that both models are teacher-forced along
    logits: list[torch.Tensor]  # on the CPU, one tensor for each pass of `teacher_forced.early_logits`


@dataclass(frozen=True)
class EarlyKl:
    """One rank's KL measurement: its shard of the harmful requests, and how both models are run on them."""

    runner: PromptRunner
    suites: Sequence[SafetySuite]
    config: EvaluationConfig
    system: str | None  # system prompt of all requests

    def reference(self, model: "PreTrainedModel", report: Report = quiet) -> SeedDistribution:
        """Return the seed model's distributions, before training; progress counts requests."""
        items = [item for _, item in self._items()]
        count = len(items)
        along_openings = self.config.kl_on == "openings"
        generated = 0 if along_openings else count  # generation counts as much as the passes do

        def on_generation(progress: GenerationProgress) -> None:
            detail = f"KL reference: answering {count} prompts · {progress}"
            report(detail, count * progress.share, generated + count)

        def on_requests(done: int) -> None:
            report(f"KL reference · {done} of {count} requests", generated + done, generated + count)

        if along_openings:
            forced = [answer_ids(self.runner.tokenizer, item.opening) for item in items]
        else:
            settings = DecodingSettings.of(model, self.runner.tokenizer, self.config.batch_size)
            forced = self.runner.generate(
                build_generator(model, settings, self.config.backend),
                self._prompts(items),
                max(self.config.kl_tokens - 1, 0),
                on_generation,
            )
        if count:
            on_requests(0)
        logits = []
        for found in self._logits(model, items, forced):
            logits.append(found.cpu())
            on_requests(sum(map(len, logits)))
        return SeedDistribution(forced, logits)

    def measure(
        self, model: "PreTrainedModel", seed: SeedDistribution, progress: OnRows = no_rows
    ) -> list[TokenKl]:
        """Return KL(model || seed model) in nats at every position where both distributions are known.

        Teacher-forced along the openings, or along the seed model's greedy answers up to their end token.

        Raises:
            FloatingPointError: a divergence is infinite or NaN.
        """
        items = self._items()
        requests = [item for _, item in items]
        parts: list[torch.Tensor] = []
        for found, before in zip(self._logits(model, requests, seed.forced), seed.logits, strict=True):
            parts.append(divergence(found, before))
            progress(sum(map(len, parts)), len(items))
        values = [row for part in parts for row in part.tolist()]
        rows = []
        for (suite, item), forced, row in zip(items, seed.forced, values, strict=True):
            known = len(forced[: self.config.kl_tokens - 1]) + 1  # later ones have nothing to compare
            for position, value in enumerate(row[:known], start=1):
                if not isfinite(value):
                    raise FloatingPointError(
                        f"the KL divergence at answer token {position} of {suite} {item.id} is {value}: the "
                        "model's weights or logits are not finite; lower training.learning_rate"
                    )
                rows.append(TokenKl(suite, item.id, position, value))
        return rows

    def in_order(self, rows: Iterable[TokenKl]) -> list[TokenKl]:
        """Sort rows by suite as configured, then by prompt and position."""
        suites = [suite.name for suite in self.suites]
        return sorted(rows, key=lambda row: (suites.index(row.suite), row.prompt_id, row.position))

    def _items(self) -> list[tuple[str, SafetyPrompt]]:
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

    def _prompts(self, items: Sequence[SafetyPrompt]) -> list[Ids]:
        along_openings = self.config.kl_on == "openings"
        render = self.runner.render_start if along_openings else self.runner.render
        return [render(item.prompt, self.system) for item in items]

    def _logits(
        self, model: "PreTrainedModel", items: Sequence[SafetyPrompt], forced: Sequence[Ids]
    ) -> Iterator[torch.Tensor]:
        return early_logits(
            model,
            self._prompts(items),
            forced,
            positions=self.config.kl_tokens,
            batch_size=self.config.batch_size,
            pad_id=self.runner.tokenizer.pad_token_id,
        )
