"""One measurement of generation with our function or the plain loop, or a comparison of their tokens."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.common import Raw
from benchmarks.generation import IDENTITY, GenerationSettings, counted_tokens, until_end
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.data.chat import prompt_ids
from lookahead_ray.data.example import SYSTEM_PROMPT
from lookahead_ray.data.suites.probe import load_probe
from lookahead_ray.data.tasks.word_problems import generate as generate_problems
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.registry import build_generator
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.model.load import load_model, load_tokenizer, resolve
from lookahead_ray.train.allocator import keep_freed

IDENTITY_BATCH = 16
WARM_UP_TOKENS = 4
Prompt = tuple[int, ...]
Generate = Callable[
    [Sequence[Prompt], int], list[list[int]]
]  # (prompts, max_new_tokens) -> token ids without end token


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Measure `ours_<batch size>` or `plain_<batch size>`, or compare the two for `IDENTITY`."""
    chosen = GenerationSettings(**settings)
    torch.set_num_threads(chosen.threads)
    if variant == IDENTITY:
        return _compare(chosen)
    side, _, batch_size = variant.rpartition("_")
    prompts, run = _prepare(side, int(batch_size), chosen)
    run(prompts[: int(batch_size)], WARM_UP_TOKENS)
    start = time.perf_counter()
    answers = run(prompts, chosen.max_new_tokens)
    seconds = time.perf_counter() - start
    tokens = sum(counted_tokens(answer, chosen.max_new_tokens) for answer in answers)
    return {
        "tokens_per_second": tokens / seconds,
        "tokens": tokens,
        "seconds": seconds,
        "prompts": len(prompts),
        "ended": sum(len(answer) < chosen.max_new_tokens for answer in answers),
    }


def _compare(settings: GenerationSettings) -> Raw:
    answers = {}
    for side in ("ours", "plain"):
        prompts, run = _prepare(side, IDENTITY_BATCH, settings)
        stride = max(1, len(prompts) // settings.identity_prompts)
        answers[side] = run(prompts[::stride][: settings.identity_prompts], settings.max_new_tokens)
    pairs = list(zip(answers["ours"], answers["plain"], strict=True))
    return {
        "prompts": len(pairs),
        "identical": sum(ours == plain for ours, plain in pairs),
        "tokens": sum(counted_tokens(ours, settings.max_new_tokens) for ours, _ in pairs),
    }


def _prepare(side: str, batch_size: int, settings: GenerationSettings) -> tuple[list[Prompt], Generate]:
    if side == "ours" and settings.device == "cpu":
        keep_freed()  # as a trial's worker does
    config = ModelConfig(path=settings.model)
    dtype = torch_dtype(settings.precision)
    tokenizer = load_tokenizer(config)
    # The plain loop gets the model as Transformers loads it, without what `load_model` adds.
    model = load_model(config, dtype) if side == "ours" else _plain_model(config, dtype)
    model.to(settings.device)  # type: ignore[arg-type]  # Transformers annotates the bound method as unbound
    decoding = DecodingSettings.of(model, tokenizer, batch_size)
    run = build_generator(model, decoding).generate if side == "ours" else partial(_plain, model, decoding)
    return _prompts(tokenizer, settings), run


def _plain_model(config: ModelConfig, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(resolve(config), dtype=dtype, trust_remote_code=False)
    return model.eval()


def _prompts(tokenizer: Any, settings: GenerationSettings) -> list[Prompt]:
    suite = load_probe(ProbeSuite(harmful_prompts=settings.harmful_prompts))
    problems = generate_problems("test", settings.task_prompts, settings.seed)
    texts = [row.prompt for row in suite.harmful] + [row.instruction for row in problems]
    return [prompt_ids(tokenizer, text, SYSTEM_PROMPT) for text in texts]


@torch.inference_mode()
def _plain(
    model: Any,
    settings: DecodingSettings,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
) -> list[list[int]]:
    """Generate in static batches in the order of the prompts, left-padded, until the last row has ended."""
    answers = []
    for start in range(0, len(prompts), settings.batch_size):
        batch = prompts[start : start + settings.batch_size]
        width = max(len(prompt) for prompt in batch)
        ids = torch.tensor([[settings.pad_id] * (width - len(prompt)) + list(prompt) for prompt in batch])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch])
        output = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(settings.end_ids),
            pad_token_id=settings.pad_id,
        )
        answers += [until_end(row, settings.end_ids) for row in output[:, width:].tolist()]
    return answers
