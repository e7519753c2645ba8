"""Utility of a model on the task: the metric of its generated answers, or the loss of reference answers."""

from collections.abc import Callable, Sequence
from math import exp
from typing import TYPE_CHECKING

from lookahead_ray.data.chat import Rendered, answer_ids, end_token_id
from lookahead_ray.data.example import Example
from lookahead_ray.data.suites.attacks import NO_ATTACK
from lookahead_ray.data.tasks.registry import Task
from lookahead_ray.data.thoughts import Reply, scored_part
from lookahead_ray.evaluate.generation.prompting import Ids, PromptRunner
from lookahead_ray.evaluate.portion import ALL, Portion, PromptPlace
from lookahead_ray.evaluate.results import Generation, Verdict

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def utility_prompts(task: Task, runner: PromptRunner, portion: Portion = ALL) -> list[Ids]:
    """Return this rank's test prompts, with their system prompts; empty if the metric is a loss."""
    if task.metric == "answer_loss":
        return []
    return [_render(example, runner) for _, example in task_shard(task, runner, portion)]


def utility_rows(
    model: "PreTrainedModel",
    task: Task,
    runner: PromptRunner,
    new_tokens: int,
    replies: Sequence[Reply],
    progress: Callable[[int], None] = lambda done: None,
    portion: Portion = ALL,
) -> list[Generation]:
    """Return a row for each of this rank's test examples, from the `replies` to `utility_prompts`.

    `answer_loss` generates nothing: a row's score is exp(−loss), the geometric mean of the probabilities of
    the reference answer's tokens, end token included, over at most the first `new_tokens`.
    While losses are computed, `progress` is called with the number of rows done.
    """
    numbered = task_shard(task, runner, portion)
    examples = [example for _, example in numbered]
    if task.metric == "answer_loss":
        from lookahead_ray.evaluate.teacher_forced import answer_nats

        rows = reference_rows(examples, runner, new_tokens)
        losses = answer_nats(model, rows, runner.tokenizer.pad_token_id, progress)
        replies = [Reply(None, "")] * len(rows)
        scores: list[float | None] = [
            exp(-nats / len(row.answer_ids)) for nats, row in zip(losses, rows, strict=True)
        ]
    else:
        scores = [
            None if reply.is_unfinished else task.score(reply.answer, scored_part(example.answer))
            for reply, example in zip(replies, examples, strict=True)
        ]
    return [
        Generation(
            metric="utility",
            suite=task.name,
            attack=NO_ATTACK,
            prompt_id=_prompt_id(index),
            category="",
            prompt=example.instruction,
            suffix="",
            prefill="",
            answer=reply.answer,
            judge=task.metric,
            verdict=_verdict(task, score),
            score=score,
            thoughts=reply.thoughts,
        )
        for (index, example), reply, score in zip(numbered, replies, scores, strict=True)
    ]


def reference_rows(examples: Sequence[Example], runner: PromptRunner, new_tokens: int) -> list[Rendered]:
    """Return the examples' prompts with their reference answers and end token, cut to `new_tokens` tokens."""
    end = end_token_id(runner.tokenizer)
    return [
        Rendered(
            runner.render_start(example.instruction, example.system, example.history, example.answer),
            (*answer_ids(runner.tokenizer, example.answer), end)[:new_tokens],
        )
        for example in examples
    ]


def second_half(row: Rendered) -> Rendered:
    """Return the row with the first half of its answer, rounded down, moved to the prompt."""
    middle = len(row.answer_ids) // 2
    return Rendered((*row.prompt_ids, *row.answer_ids[:middle]), row.answer_ids[middle:])


def task_shard(task: Task, runner: PromptRunner, portion: Portion = ALL) -> list[tuple[int, Example]]:
    """Return this rank's test examples with their indices. Reading is cheap: the answers' lengths count."""
    numbered = list(enumerate(task.test))
    asked = portion.of(numbered, lambda one: PromptPlace(task.name, NO_ATTACK, _prompt_id(one[0])))
    return runner.shard(asked, lambda one: len(one[1].answer))


def _prompt_id(index: int) -> str:
    return f"test-{index + 1:04d}"


def _render(example: Example, runner: PromptRunner) -> Ids:
    return runner.render(example.instruction, example.system, example.history)


def _verdict(task: Task, score: float | None) -> Verdict:
    if score is None:
        return "unparsed"
    if task.metric != "exact_match":
        return "scored"
    return "correct" if score == 1.0 else "wrong"
