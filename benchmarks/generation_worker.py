"""One measurement of generation with our function or the plain loop, or a comparison of their tokens."""

import time
from functools import partial
from typing import Any

import torch

from benchmarks.common import Raw
from benchmarks.generation_peers import Generate, Prompt, by_length, continuous, plain, with_vllm
from benchmarks.generation_settings import (
    GENERATE_BATCH,
    IDENTITY,
    START,
    VLLM,
    GenerationSettings,
    counted_tokens,
)
from benchmarks.peer_search import Options
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


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Measure `ours_<batch size>` or `plain_<batch size>`, or compare the two for `IDENTITY`."""
    chosen = GenerationSettings(**settings)
    torch.set_num_threads(chosen.threads)
    if variant == IDENTITY:
        return _compare(chosen)
    if chosen.peer:
        batch_size = int(chosen.peer["batch_size"])
        prompts, run = _prepare("plain", batch_size, chosen, chosen.peer)
    else:
        side, _, size = variant.rpartition("_")
        batch_size = int(size)
        prompts, run = _prepare(side, batch_size, chosen)
    run(prompts[:batch_size], WARM_UP_TOKENS)
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


def _prepare(
    side: str, batch_size: int, settings: GenerationSettings, options: Options = START
) -> tuple[list[Prompt], Generate]:
    if side == "ours" and settings.device == "cpu":
        keep_freed()  # as a trial's worker does
    config = ModelConfig(path=settings.model)
    dtype = torch_dtype(settings.precision)
    tokenizer = load_tokenizer(config)
    # The plain loop gets the model as Transformers loads it, without what `load_model` adds.
    model = load_model(config, dtype) if side == "ours" else _plain_model(config, dtype, options)
    model.to(settings.device)  # type: ignore[arg-type]  # Transformers annotates the bound method as unbound
    decoding = DecodingSettings.of(model, tokenizer, batch_size)
    prompts = _prompts(tokenizer, settings)
    if side == "ours":
        return prompts, build_generator(model, decoding).generate
    if options["way"] == VLLM:
        return prompts, partial(with_vllm(resolve(config), dtype), decoding)
    way = continuous if options["way"] == GENERATE_BATCH else plain
    run = partial(way, model, decoding)
    return prompts, by_length(run) if options["sorted"] else run


def _plain_model(config: ModelConfig, dtype: torch.dtype, options: Options) -> Any:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(
        resolve(config), dtype=dtype, trust_remote_code=False, attn_implementation=options["attention"]
    )
    return model.eval()


def _prompts(tokenizer: Any, settings: GenerationSettings) -> list[Prompt]:
    suite = load_probe(ProbeSuite(harmful_prompts=settings.harmful_prompts))
    problems = generate_problems("test", settings.task_prompts, settings.seed)
    texts = [row.prompt for row in suite.harmful] + [row.instruction for row in problems]
    return [prompt_ids(tokenizer, text, SYSTEM_PROMPT) for text in texts]
