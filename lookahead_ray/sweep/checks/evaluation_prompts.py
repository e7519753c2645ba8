"""Prompts of an evaluation, with the answers that may follow, against the model's context."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lookahead_ray.config.evaluation import VLLM_LONGEST
from lookahead_ray.config.judge import JudgeConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import answer_ids, start_answer_with
from lookahead_ray.data.example import Example
from lookahead_ray.data.suites.attacks import Attack, load_attacks
from lookahead_ray.data.suites.suite import SafetySuite
from lookahead_ray.data.tasks.registry import Task
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.generation.prompting import PromptRunner
from lookahead_ray.evaluate.judges.registry import can_decide
from lookahead_ray.evaluate.judging import HARM_METRICS, REFUSAL_METRICS
from lookahead_ray.evaluate.results import Metric
from lookahead_ray.evaluate.safety_prompts import questions
from lookahead_ray.evaluate.utility import reference_rows
from lookahead_ray.model.outline import ModelOutline

TEMPLATE_TOKENS = 512
"""Generous bound for the tokens that a chat template adds to the texts of a prompt of one turn."""

EXCHANGE_TOKENS = 64
"""The same for each earlier exchange of a chat."""

MOST_RENDERED = 2000
"""Prompts of one kind that are tokenised at most, the longest first."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt that is tokenised only if it may be too long."""

    size: int  # of its texts in bytes, the answer's start included; earlier exchanges count more
    count: Callable[[], int]  # returns its tokens


def check_prompts(
    config: TrialConfig, outline: ModelOutline, task: Task, suites: Sequence[SafetySuite], trains: bool
) -> None:
    """Raise if a prompt and the longest answer to it do not fit into the model's context.

    Raises:
        ConfigError: the message names the field with the length of the answers.
        DataError: a file of an attack can't be used, or a prompt can't be rendered.
    """
    context = outline.context
    if config.evaluation.backend == "vllm":
        context = min(context or VLLM_LONGEST, VLLM_LONGEST)
    if context is None:
        return
    evaluation, runner = config.evaluation, PromptRunner(outline.tokenizer, config.defence, 0, 1)
    attacks = load_attacks(evaluation.attacks)
    system = evaluation.safety_system or task.system
    for metric in REFUSAL_METRICS:
        judges = [judge for judge in evaluation.judges if metric in _metrics(judge)]
        if not judges:
            continue
        decides = evaluation.stop_when_decided and all(map(can_decide, judges))
        limit = evaluation.safety_limit(decides)
        field = "safety_new_tokens" if limit == evaluation.safety_new_tokens else "safety_max_tokens"
        prompts = list(_safety_prompts(metric, suites, attacks, runner, system))
        _check(context, prompts, limit, f"evaluation.{field}", "a safety suite")
    if evaluation.kl_tokens:
        prompts = list(_safety_prompts("rsr", suites, attacks, runner, system))
        _check(context, prompts, evaluation.kl_tokens, "evaluation.kl_tokens", "a safety suite")
    if task.metric == "answer_loss" or (trains and evaluation.signal_examples):
        shown = task.test if task.metric == "answer_loss" else task.test[: evaluation.signal_examples]
        rows = list(_reference_prompts(shown, runner, evaluation.task_new_tokens))
        _check(context, rows, 0, "evaluation.task_new_tokens", f"the test rows of {task.name}")
    if task.metric != "answer_loss":
        prompts = list(_task_prompts(task.test, runner))
        _check(
            context, prompts, evaluation.task_new_tokens, "evaluation.task_new_tokens", f"task {task.name}"
        )
    if trains and config.method.name == "sdft":
        rewrites = list(_rewrite_prompts(task.train, config, outline))
        _check(context, rewrites, config.method.new_tokens, "method.new_tokens", f"task {task.name}")


def _check(context: int, prompts: Sequence[_Prompt], limit: int, field: str, where: str) -> None:
    """Raise if one of `prompts` with `limit` new tokens is longer than the context."""
    longest = 0
    for prompt in sorted(prompts, key=lambda prompt: -prompt.size)[:MOST_RENDERED]:
        if prompt.size + TEMPLATE_TOKENS + limit <= context:
            break
        longest = max(longest, prompt.count())
    if longest + limit <= context:
        return
    if longest >= context:
        raise ConfigError(
            f"model.path: the model's context is {context} tokens, but {where} has a prompt of {longest} "
            "tokens: leave such rows out, or use a model with a longer context"
        )
    raise ConfigError(
        f"{field}: must leave room in the model's context of {context} tokens for the longest prompt of "
        f"{where} ({longest} tokens), so be at most {context - longest}, got {limit}"
    )


def _safety_prompts(
    metric: Metric,
    suites: Sequence[SafetySuite],
    attacks: Sequence[Attack],
    runner: PromptRunner,
    system: str | None,
) -> Iterator[_Prompt]:
    for part in questions(suites, attacks, (metric,)):
        for question in part:
            attack, item = question.attack, question.item
            request = attack.apply(item.prompt)
            start = item.opening if attack.opening_tokens else attack.prefill

            def count(request: str = request, start: str = start, most: int = attack.opening_tokens) -> int:
                ids = answer_ids(runner.tokenizer, start)[: most or None] if start else ()
                return len(start_answer_with(runner.tokenizer, runner.render(request, system), ids))

            yield _Prompt(_size(request, start, system, runner.defence.prompt), count)


def _task_prompts(examples: Iterable[Example], runner: PromptRunner) -> Iterator[_Prompt]:
    for example in examples:

        def count(example: Example = example) -> int:
            return len(runner.render(example.instruction, example.system, example.history))

        yield _Prompt(_example_size(example, runner.defence.prompt), count)


def _reference_prompts(
    examples: Iterable[Example], runner: PromptRunner, new_tokens: int
) -> Iterator[_Prompt]:
    for example in examples:

        def count(example: Example = example) -> int:
            return reference_rows([example], runner, new_tokens)[0].length

        yield _Prompt(_example_size(example, runner.defence.prompt, example.answer), count)


def _rewrite_prompts(
    examples: Iterable[Example], config: TrialConfig, outline: ModelOutline
) -> Iterator[_Prompt]:
    from lookahead_ray.method.sdft import rewrite_prompt

    method = config.method
    assert method.name == "sdft"
    for example in examples:

        def count(example: Example = example) -> int:
            return len(rewrite_prompt(outline.tokenizer, example, method))

        size = _example_size(example, method.system, method.math_system, method.math_start, example.answer)
        yield _Prompt(size, count)


def _example_size(example: Example, *others: str | None) -> int:
    history = [text for exchange in example.history for text in exchange]
    texts = _size(example.system, example.instruction, *history, *others)
    return texts + EXCHANGE_TOKENS * len(example.history)


def _size(*texts: str | None) -> int:
    return sum(len(text.encode()) for text in texts if text)


def _metrics(judge: JudgeConfig) -> tuple[Metric, ...]:
    return REFUSAL_METRICS if judge.measures == "refusal" else HARM_METRICS
