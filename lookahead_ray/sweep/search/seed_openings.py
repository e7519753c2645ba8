"""Openings of the seed model's own answers to the task, for use as prefixes."""

from collections.abc import Callable, Sequence

from lookahead_ray.config.defence import DefenceConfig
from lookahead_ray.config.load import content_hash
from lookahead_ray.config.phrases import PhraseSource
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import decode_answer
from lookahead_ray.data.example import Example
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.data.thoughts import split_thoughts
from lookahead_ray.data.turn_layout import turn_layout
from lookahead_ray.disk_cache import DiskCache, cache_dir
from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.prompting import PromptRunner
from lookahead_ray.evaluate.generation.registry import build_generator
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.model.load import load_model, load_tokenizer, model_hash
from lookahead_ray.preview.common_openings import OpeningAnswer, openings
from lookahead_ray.trial.label import quoted

FORMAT = 1  # increased when the cached content changes, so that old caches are not used

Say = Callable[[str], None]


def seed_openings(config: TrialConfig, ask: PhraseSource, say: Say) -> list[str]:
    """Return at most `ask.model_openings` phrases, frequent ones first; fewer if the answers share fewer.

    The model decodes greedily, on this process's CPU and without a defence. Its answers are cached by content
    under `$LOOKAHEAD_RAY_CACHE/openings`, so that a resumed sweep has the same phrases.

    Args:
        config: provides the model, the precision and the task.
        say: called with a line for each step.

    Raises:
        DataError: the task's data can't be used.
        ModelError: the model can't be used, or no two answers begin alike.
    """
    examples = list({row.instruction: row for row in load_task(config.task).train}.values())[: ask.prompts]
    found = openings(_answers(config, examples, ask.tokens, say))
    if not found:
        raise ModelError(
            f"model_openings: the seed model's answers to {len(examples)} training prompts must have an "
            "opening in common, found none; list phrases instead"
        )
    chosen = found[: ask.model_openings]
    say(f"the seed model's openings: {', '.join(map(quoted, chosen))}")
    return chosen


def _answers(config: TrialConfig, examples: Sequence[Example], tokens: int, say: Say) -> list[OpeningAnswer]:
    tokenizer = load_tokenizer(config.model)
    runner = PromptRunner(tokenizer, DefenceConfig(), rank=0, world_size=1)
    prompts = [runner.render_start(row.instruction, row.system, row.history) for row in examples]
    seed_model = content_hash([model_hash(config.model), config.training.precision])
    cache, key = (
        DiskCache(cache_dir() / "openings"),
        content_hash(["openings", FORMAT, seed_model, prompts, tokens]),
    )
    kept = cache.get(key)
    if kept is None:
        say(f"generating the seed model's openings for {len(prompts)} prompts")
        model = load_model(config.model, torch_dtype(config.training.precision))
        settings = DecodingSettings.of(model, tokenizer, config.evaluation.batch_size)
        generated = runner.generate(build_generator(model, settings), prompts, tokens)
        kept = [[decode_answer(tokenizer, ids), len(ids) < tokens] for ids in generated]
        cache.put(key, kept)
    marks = turn_layout(tokenizer).marks
    return [
        OpeningAnswer(row.instruction, split_thoughts(text, marks=marks).answer, finished)
        for row, (text, finished) in zip(examples, kept, strict=True)
    ]
