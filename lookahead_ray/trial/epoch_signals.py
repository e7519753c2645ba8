"""Measurements between epochs: KL at the first answer tokens and the answers' loss, without generation."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import TYPE_CHECKING

import torch.distributed as dist

from lookahead_ray.evaluate.early_kl import OnRows, SeedDistribution
from lookahead_ray.evaluate.evaluation import Evaluation
from lookahead_ray.evaluate.results import Signal, TokenKl
from lookahead_ray.method.reporting import Report, quiet
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step
from lookahead_ray.trial.progress import Decide

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class EpochSignals:
    """The signals of one trial; all ranks measure them together."""

    evaluation: Evaluation
    seed: SeedDistribution
    epochs: int  # planned; after the last one there is nothing to decide
    decide: Decide
    report: Report = quiet  # in epochs
    measured: list[Signal] = field(default_factory=list)
    token_kl: list[TokenKl] = field(default_factory=list)  # this rank's rows of the last signal

    def measure(self, model: "PreTrainedModel", steps: Sequence[Step]) -> bool:
        """Measure `model`, leave it in evaluation mode, and return whether training continues.

        `steps` are the steps so far; if empty, `model` is the untrained seed model.
        """
        start = time.perf_counter()
        model.eval()  # type: ignore[no-untyped-call]  # Transformers lacks its annotation
        epoch = round(steps[-1].epoch) if steps else 0
        before, epochs = max(epoch - 1, 0), max(self.epochs, 1)
        when = f"after epoch {epoch} of {epochs}" if epoch else "of the seed model"

        def half(what: str, offset: float) -> OnRows:
            def on_rows(done: int, rows: int) -> None:
                detail = f"measuring {what} {when} · {done} of {rows} rows"
                self.report(detail, before + offset + done / rows / 2, epochs)

            return on_rows

        self.report(f"measuring signals {when}", before, epochs)
        self.token_kl = self.evaluation.kl.measure(model, self.seed, half("KL", 0.0))
        nats, tokens = self.evaluation.answer_loss(model, half("answer loss", 0.5))
        self.report(f"signals {when} are measured", before + 1, epochs)
        kl = fsum(row.value for row in self.token_kl)
        parts = gather_everywhere((kl, len(self.token_kl), nats, tokens))
        kl, values, nats, tokens = (sum(column) for column in zip(*parts, strict=True))
        signal = Signal(
            epoch=epoch,
            train_tokens=sum(step.tokens for step in steps),
            kl=kl / values if values else None,
            answer_loss=nats / tokens if tokens else None,
            seconds=time.perf_counter() - start,
        )
        self.measured.append(signal)
        continues = self.decide(signal) if dist.get_rank() == 0 else None
        return signal.epoch >= self.epochs or bool(gather_everywhere(continues)[0])
