"""The training rows that all variants share."""

from typing import Any

from benchmarks.training_settings import TrainingSettings
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
