"""Generation by every backend of the project and by peers, against the bound of the memory's bandwidth."""

import importlib
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from benchmarks.common import Raw
from benchmarks.generation_peers import cache_on_cpu
from benchmarks.gpu_stages.memory import peak_gb, start_peak, wait
from benchmarks.gpu_stages.models import PAD_ID, architecture, random_model, random_prompts
from benchmarks.gpu_stages.settings import MODELS, SIZES, StageSettings
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.free_memory import token_bytes
from lookahead_ray.evaluate.generation.registry import BACKENDS

Prompts = Sequence[Sequence[int]]
Run = Callable[[Prompts, Sequence[int]], object]
WARM_UP_TOKENS = 4


def measure(settings: StageSettings) -> Iterator[Raw]:
    """Yield the figures of each way; one that fails is reported, and the others follow."""
    model = random_model(settings, torch.bfloat16)
    prompts, limits = random_prompts(settings)
    at_once = SIZES[settings.model].generated_at_once
    supporting = {name: backend for name, backend in BACKENDS.items() if backend.supports(model)}

    def by_backend(name: str, size: int) -> Run:
        return supporting[name](model, DecodingSettings(size, frozenset(), PAD_ID)).generate

    preferred, *others = supporting
    planned: list[tuple[str, str, int, Run]] = []
    for size in reversed(at_once):
        planned.append(("ours", preferred, size, by_backend(preferred, size)))
    for size in at_once[-2:]:
        planned.append(("peer", "model.generate, sorted", size, static_batches(model, size)))
    planned.append(("peer", "generate_batch", len(prompts), continuous(model)))
    for name in others:
        planned.append(("ours", name, at_once[0], by_backend(name, at_once[0])))
    for side, way, size, run in planned:
        bound = bandwidth_bound(model, prompts, limits, size, settings.bytes_per_second)
        try:
            figures = _time(run, prompts, limits, size, settings.device)
        except Exception as error:  # of any kind: a peer's way may not run here
            figures = {
                "problem": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            }
        share = {}
        if bound and "tokens_per_second" in figures:
            share = {"share_of_bandwidth_bound": figures["tokens_per_second"] / bound}
        yield {side: way, "batch_size": size, **figures, "bandwidth_bound": bound, **share}


def _time(run: Run, prompts: Prompts, limits: Sequence[int], size: int, device: str) -> Raw:
    start_peak(device)
    run(prompts[:size], [WARM_UP_TOKENS] * min(size, len(prompts)))
    wait(device)
    start = time.perf_counter()
    run(prompts, limits)
    wait(device)
    seconds = time.perf_counter() - start
    return {
        "tokens_per_second": sum(limits) / seconds,
        "tokens": sum(limits),
        "seconds": seconds,
        "peak_gb": peak_gb(device),
    }


def bandwidth_bound(
    model: Any, prompts: Prompts, limits: Sequence[int], size: int, bytes_per_second: float | None
) -> float | None:
    """Return the tokens/s at which weights and keys are read as fast as a copy reads and writes.

    Each step of full batches reads all weights once, and the keys and values of each row's tokens so far.
    """
    if bytes_per_second is None:
        return None
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    steps = max(sum(limits) / size, max(limits))
    cached = sum(
        limit * len(prompt) + limit * (limit - 1) // 2 for prompt, limit in zip(prompts, limits, strict=True)
    )
    read: float = steps * weights + cached * token_bytes(model)
    return bytes_per_second * sum(limits) / read


def static_batches(model: Any, size: int) -> Run:
    """Return `model.generate` over prompts sorted by length; a batch ends with its longest answer.

    Answers that would have ended earlier are computed on, and only tokens within their limits count.
    """

    def run(prompts: Prompts, limits: Sequence[int]) -> None:
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            width = max(len(prompts[index]) for index in batch)
            ids = [[PAD_ID] * (width - len(prompts[index])) + list(prompts[index]) for index in batch]
            mask = [[0] * (width - len(prompts[index])) + [1] * len(prompts[index]) for index in batch]
            model.generate(
                input_ids=torch.tensor(ids, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                max_new_tokens=max(limits[index] for index in batch),
                do_sample=False,
                eos_token_id=None,
                pad_token_id=PAD_ID,
            )

    return run


def continuous(model: Any) -> Run:
    """Return Transformers' continuous batching, with a limit for each prompt."""

    def run(prompts: Prompts, limits: Sequence[int]) -> None:
        from transformers import GenerationConfig
        from transformers.generation.continuous_batching.utils import WorkloadHints

        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=max(limits), do_sample=False, eos_token_id=-1, pad_token_id=PAD_ID
        )
        hints = WorkloadHints(
            max_prompt_length=max(map(len, prompts)),
            max_generated_length=max(limits),
            num_requests=len(prompts),
        )
        lengths = [len(prompt) + limit for prompt, limit in zip(prompts, limits, strict=True)]
        cache = cache_on_cpu(lengths, model.device.type)
        tokens = 0
        with model.continuous_batching_context_manager(
            generation_config=config,
            block=True,
            timeout=5,
            workload_hints=hints,
            continuous_batching_config=cache,
        ) as manager:
            for prompt, limit in zip(prompts, limits, strict=True):
                manager.add_request(list(prompt), max_new_tokens=limit)
            waiting = len(prompts)
            while waiting:
                done = manager.get_result(timeout=1)
                if done is not None and done.is_finished():
                    waiting -= 1
                    tokens += len(done.generated_tokens)
                elif done is None and not manager.is_running():
                    raise RuntimeError("its thread has ended")
        if tokens != sum(limits):
            raise RuntimeError(f"it generated {tokens} instead of {sum(limits)} tokens")

    return run


def measure_vllm(settings: StageSettings) -> Iterator[Raw]:
    """Yield vLLM's figures, if it is installed, with random weights of its own."""
    if importlib.util.find_spec("vllm") is None:
        yield {"peer": "vllm", "unavailable": "vllm is not installed"}
        return
    vllm: Any = importlib.import_module("vllm")
    prompts, limits = random_prompts(settings)
    with tempfile.TemporaryDirectory(prefix="lookahead-ray-gpu-") as folder:
        architecture(MODELS[settings.model]).save_pretrained(folder)
        engine = vllm.LLM(
            model=folder, load_format="dummy", dtype="bfloat16", skip_tokenizer_init=True, max_model_len=2048
        )

        def run(prompts: Prompts, limits: Sequence[int]) -> None:
            engine.generate(
                [{"prompt_token_ids": list(prompt)} for prompt in prompts],
                [
                    vllm.SamplingParams(temperature=0.0, max_tokens=limit, ignore_eos=True, detokenize=False)
                    for limit in limits
                ],
                use_tqdm=False,
            )

        yield {"peer": "vllm", **_time(run, prompts, limits, len(prompts), settings.device)}
