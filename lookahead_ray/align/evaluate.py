"""Evaluation of the embedded model with an adapter: the figures in the adapter's provenance.json."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import torch

from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.model import EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.config.task import WordProblemsTask
from lookahead_ray.data.chat import Rendered, render_all
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.evaluate.evaluation import Evaluation
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.evaluate.results import Metric
from lookahead_ray.evaluate.teacher_forced import answer_nats
from lookahead_ray.method.reporting import Every
from lookahead_ray.model import embedded
from lookahead_ray.model.load import load_model, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TASK = WordProblemsTask(name="word_problems", train_examples=1, test_examples=100)
EVALUATION = EvaluationConfig(safety_new_tokens=32, task_new_tokens=72)
LINE_EVERY_S = 10.0


def measure(adapter: Path, dtype: torch.dtype, report: Callable[[str], None]) -> dict[str, Any]:
    """Measure rates on the whole probe and on 100 word problems, and the loss on these problems' answers.

    `answer_loss` and `unaligned_answer_loss` are in nats per answer token, with and without the adapter.
    """
    unaligned = ModelConfig(path=EMBEDDED_UNALIGNED)
    aligned = ModelConfig(path=str(embedded.aligned_dir(adapter)))
    tokenizer, task = load_tokenizer(unaligned), load_task(TASK)
    rows = render_all(tokenizer, task.test, 512)
    model = load_model(aligned, dtype)
    pad_id = tokenizer.pad_token_id
    losses = {
        "answer_loss": mean_answer_loss(model, rows, pad_id),
        "unaligned_answer_loss": mean_answer_loss(load_model(unaligned, dtype), rows, pad_id),
    }
    evaluation = Evaluation(tokenizer, task, [load_suite(ProbeSuite())], EVALUATION)
    every = Every(LINE_EVERY_S)

    def say(detail: str, done: float, total: float) -> None:
        if every.due(done >= total):
            report(f"measuring: {detail}")

    generations = evaluation.generations(model, say, say)
    rates = {metric: rate(generations, cast(Metric, metric)) for metric in get_args(Metric)}
    return {**{metric: asdict(found) for metric, found in rates.items() if found}, **losses}


def mean_answer_loss(model: "PreTrainedModel", rows: list[Rendered], pad_id: int) -> float:
    """Return the cross-entropy in nats per answer token over all `rows`."""
    return sum(answer_nats(model, rows, pad_id)) / sum(len(row.answer_ids) for row in rows)
