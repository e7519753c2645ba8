"""Ways of other libraries to generate greedily."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.generation_settings import until_end
from lookahead_ray.evaluate.generation.base import DecodingSettings

PAGE = 64  # tokens of a page of the cache
BATCH_TOKENS = 1024  # of a pass of continuous batching on CPUs

Prompt = Sequence[int]
Generate = Callable[
    [Sequence[Prompt], int], list[list[int]]
]  # (prompts, max_new_tokens) -> token ids without end token

CPU_CACHE_BYTES = 4 * 2**30  # more than all prompts of the benchmark need


def by_length(run: Generate) -> Generate:
    """Return `run` over the prompts in the order of their lengths, which need less padding."""

    def in_order(prompts: Sequence[Prompt], max_new_tokens: int) -> list[list[int]]:
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        answers = dict(zip(order, run([prompts[index] for index in order], max_new_tokens), strict=True))
        return [answers[index] for index in range(len(prompts))]

    return in_order


@torch.inference_mode()
def plain(
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


def continuous(
    model: Any, settings: DecodingSettings, prompts: Sequence[Prompt], max_new_tokens: int
) -> list[list[int]]:
    """Generate with Transformers' continuous batching.

    Raises:
        RuntimeError: a prompt has no answer.
    """
    from transformers import GenerationConfig

    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(settings.end_ids),
        pad_token_id=settings.pad_id,
    )
    found = model.generate_batch(
        [list(prompt) for prompt in prompts],
        generation_config=config,
        progress_bar=False,
        continuous_batching_config=cache_on_cpu(
            [len(prompt) + max_new_tokens for prompt in prompts], model.device.type
        ),
    )
    answers = {
        tuple(each.prompt_ids): until_end(each.generated_tokens, settings.end_ids) for each in found.values()
    }
    failed = [each.error for each in found.values() if each.error]
    if failed or any(tuple(prompt) not in answers for prompt in prompts):
        raise RuntimeError(f"generate_batch failed: {failed[0] if failed else 'prompts have no answer'}")
    return [answers[tuple(prompt)] for prompt in prompts]


def cache_on_cpu(lengths: Sequence[int], device: str) -> Any:
    """Return a configuration whose cache has room for all sequences; None on GPUs.

    By default the cache takes most of the machine's memory.
    """
    from transformers.generation.configuration_utils import ContinuousBatchingConfig

    if device != "cpu":
        return None
    pages = sum(-(-length // PAGE) for length in lengths)
    return ContinuousBatchingConfig(num_blocks=pages + 1, page_size=PAGE, max_batch_tokens=BATCH_TOKENS)


def with_vllm(place: str, dtype: torch.dtype) -> Callable[..., list[list[int]]]:
    """Start vLLM with the model in `place`; return a function of (settings, prompts, max_new_tokens)."""
    vllm: Any = importlib.import_module("vllm")
    # by default it takes nearly all memory, of a CPU's machine too
    cache = {} if torch.cuda.is_available() else {"kv_cache_memory_bytes": CPU_CACHE_BYTES}
    engine = vllm.LLM(model=place, dtype=str(dtype).removeprefix("torch."), **cache)

    def run(settings: DecodingSettings, prompts: Sequence[Prompt], max_new_tokens: int) -> list[list[int]]:
        chosen = vllm.SamplingParams(
            temperature=0.0,
            max_tokens=max_new_tokens,
            stop_token_ids=sorted(settings.end_ids),
            detokenize=False,
        )
        found = engine.generate(
            [{"prompt_token_ids": list(prompt)} for prompt in prompts], chosen, use_tqdm=False
        )
        return [until_end(each.outputs[0].token_ids, settings.end_ids) for each in found]

    return run
