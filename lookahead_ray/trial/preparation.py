"""From a task's examples to the rows that are trained on: method, preview, safety mix, in this order."""

from collections.abc import Callable, Sequence
from typing import Any

import torch.distributed as dist

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import Rendered, end_token_id, render_all
from lookahead_ray.data.example import Example
from lookahead_ray.evaluate.generate import end_token_ids, generate
from lookahead_ray.method import METHODS, Context
from lookahead_ray.method.cache import Cache
from lookahead_ray.method.reporting import Report, Writing
from lookahead_ray.method.work import Work
from lookahead_ray.model.embedded import cache_dir
from lookahead_ray.model.load import check_length
from lookahead_ray.preview import apply_previews
from lookahead_ray.train.model import forward
from lookahead_ray.train.process_group import gather_everywhere


def training_rows(
    config: TrialConfig, examples: Sequence[Example], mixed: Sequence[Example], context: Context
) -> tuple[list[Rendered], dict[str, int], Work]:
    """Token ids of all training rows, the method's counts, and what the seed model computed for them.

    First the method sees the examples (SDFT rewrites the answers), then the preview is applied to what it
    gives; the safety examples in `mixed` join them as they are.

    Raises:
        DataError: a prompt leaves no room for an answer.
        ModelError: a row is longer than the model's context.
    """
    prepared = METHODS[config.method.name].prepare(examples, config.method, context)
    previewed = apply_previews(prepared.examples, config.preview, context.tokenizer)
    rows = render_all(context.tokenizer, [*previewed, *mixed], config.training.max_length)
    longest = max(len(row.prompt_ids) + len(row.answer_ids) for row in rows)
    check_length(context.model, longest, f"training.max_length: {config.training.max_length} lets rows be of")
    return rows, prepared.counts, prepared.work


def method_context(config: TrialConfig, model: Any, tokenizer: Any, report: Report) -> Context:
    """What the trial's method is given on this rank; the process group is initialised."""

    def answer(
        model: Any,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        progress: Callable[[Writing], None],
    ) -> list[list[int]]:
        return generate(
            model,
            prompts,
            max_new_tokens=max_new_tokens,
            batch_size=config.evaluation.batch_size,
            end_ids=end_token_ids(model, end_token_id(tokenizer)),
            pad_id=tokenizer.pad_token_id,
            progress=progress,
        )

    return Context(
        model=model,
        tokenizer=tokenizer,
        model_config=config.model,
        precision=config.training.precision,
        batch_size=config.training.micro_batch_size,
        prompt_batch_size=config.evaluation.batch_size,
        rank=dist.get_rank(),
        world_size=dist.get_world_size(),
        cache=Cache(cache_dir() / "methods"),
        forward=forward(tokenizer.pad_token_id),
        generate=answer,
        gather=gather_everywhere,
        report=report,
    )
