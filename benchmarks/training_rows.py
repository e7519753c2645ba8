"""The training rows that all variants share, and the timing of steps."""

import resource
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.common import Raw
from benchmarks.training import TrainingSettings
from lookahead_ray.config.model import EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.data.chat import Rendered, render_all
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.tasks import gsm8k
from lookahead_ray.data.tasks.word_problems import generate

MODEL = ModelConfig(path=EMBEDDED_UNALIGNED)


def training_rows(tokenizer: Any, settings: TrainingSettings) -> list[Rendered]:
    """Return word problems, or the first rows of `settings.data`, in our chat rendering."""
    rows = read_rows(tokenizer, settings.data, settings.examples, settings.max_length, settings.seed)
    return rows[: settings.examples]


def read_rows(tokenizer: Any, data: str | None, count: int, max_length: int, seed: int) -> list[Rendered]:
    """Return the rows of `data`, a JSONL file with GSM8K's fields, or `count` word problems, rendered."""
    examples = gsm8k.examples(RowReader(data), data) if data else generate("train", count, seed)
    return render_all(tokenizer, examples, max_length)


class Clock:
    """A stopwatch for optimiser steps; timing starts at the end of the first one."""

    def __init__(self) -> None:
        self._ends: list[float] = []
        self._cpu: list[float] = []

    def step_ended(self) -> None:
        """Record the end of an optimiser step."""
        self._ends.append(time.perf_counter())
        self._cpu.append(time.process_time())

    def raw(self, tokens: Sequence[int], answer_tokens: Sequence[int], mean_loss: float) -> Raw:
        """Return the measurement. Token counts are per optimiser step, without padding."""
        if len(tokens) != len(self._ends):
            raise ValueError(f"must count tokens for each of {len(self._ends)} steps, got {len(tokens)}")
        seconds = self._ends[-1] - self._ends[0]
        counted = sum(tokens[1:])
        return {
            "tokens_per_second": counted / seconds,
            "tokens": counted,
            "answer_tokens": sum(answer_tokens[1:]),
            "seconds": seconds,
            "tokens_per_cpu_second": counted / (self._cpu[-1] - self._cpu[0]),
            "step_seconds": [b - a for a, b in zip(self._ends, self._ends[1:], strict=False)],
            "steps": len(self._ends) - 1,
            "mean_loss": mean_loss,
            # ru_maxrss is in KiB on Linux; of one rank
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
