"""The limits of the device, and whether the project's ways of computing agree on it."""

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import torch

from benchmarks import limits_worker
from benchmarks.common import Raw
from benchmarks.gpu_stages.memory import live_bytes, start_peak, wait
from benchmarks.gpu_stages.models import PAD_ID, random_model, random_prompts, random_rows
from benchmarks.gpu_stages.settings import SIZES, StageSettings
from benchmarks.gpu_stages.training import start_training, training_config
from benchmarks.limits import ON_GPU, TINY
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.registry import BACKENDS
from lookahead_ray.train.engine import release_engine
from lookahead_ray.train.packed_attention import attend

FORWARDS = 200
COMPARED_PROMPTS, COMPARED_TOKENS = 16, 64
COMPARED_STEPS = 4


def limits(settings: StageSettings) -> Iterator[Raw]:
    """Yield the peaks of products and copies, and the error of packed rows' attention."""
    chosen = ON_GPU if settings.device == "cuda" else TINY
    yield limits_worker.measure("limits", asdict(replace(chosen, threads=torch.get_num_threads())))
    yield attention_error(settings.device)


def attention_error(device: str) -> Raw:
    """Compare attention of packed rows in bf16 with the formula in fp32, row by row, and the gradients."""
    torch.manual_seed(0)
    lengths, heads, key_heads, size = (33, 128, 7, 90), 8, 2, 64
    shapes = ((1, heads, sum(lengths), size), *[(1, key_heads, sum(lengths), size)] * 2)
    parts = [torch.randn(shape, device=device).bfloat16().requires_grad_() for shape in shapes]
    starts = torch.tensor([0, *torch.tensor(lengths).cumsum(0)], dtype=torch.int32, device=device)
    longest = max(lengths)
    query, key, value = parts
    packed, _ = attend(
        torch.nn.Identity(),
        query,
        key,
        value,
        None,
        cu_seq_lens_q=starts,
        cu_seq_lens_k=starts,
        max_length_q=longest,
        max_length_k=longest,
    )
    weights = torch.randn_like(packed, dtype=torch.float32)
    found = torch.autograd.grad((packed.float() * weights).sum(), parts)
    exact = [part.detach().float().requires_grad_() for part in parts]
    rows = zip(*(torch.split(part, list(lengths), dim=2) for part in exact), strict=True)
    alone = torch.cat([_row(*row) for row in rows], dim=2).transpose(1, 2)
    wanted = torch.autograd.grad((alone * weights).sum(), exact)
    pairs = {
        "forward": (packed, alone),
        **dict(zip(("dq", "dk", "dv"), zip(found, wanted, strict=True), strict=True)),
    }
    return {
        f"packed_attention_error_{name}": ((here.float() - there).norm() / there.norm()).item()
        for name, (here, there) in pairs.items()
    }


def _row(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return causal attention of one row by the formula."""
    key, value = (part.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for part in (key, value))
    scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    hidden = torch.ones_like(scores, dtype=torch.bool).triu(1)
    attended: torch.Tensor = scores.masked_fill(hidden, -torch.inf).softmax(-1) @ value
    return attended


def release(settings: StageSettings) -> Iterator[Raw]:
    """Yield what is left of training after `release_engine`, and the time of forward passes then."""
    sizes = SIZES[settings.model]
    config = training_config(settings, micro_batch_tokens=sizes.budgets[0])
    model: Any = random_model(settings, torch.bfloat16)
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    before, fresh = live_bytes(settings.device), _forward_ms(model, settings)
    _, engine = start_training(model, random_rows(settings, 2 * config.batch_size), config, settings)
    model.eval()
    during, hooked = live_bytes(settings.device), _forward_ms(model, settings)
    release_engine(engine)
    del engine
    start_peak(settings.device)
    yield {
        "weights_gb": weights / 1e9,
        "live_gb_before": before / 1e9,
        "live_gb_in_training": during / 1e9,
        "live_gb_after_release": live_bytes(settings.device) / 1e9,
        "forward_ms_before": fresh,
        "forward_ms_in_training": hooked,
        "forward_ms_after_release": _forward_ms(model, settings),
    }


@torch.no_grad()
def _forward_ms(model: Any, settings: StageSettings) -> float:
    ids = torch.ones(1, 1, dtype=torch.long, device=settings.device)
    count = 5 if settings.tiny else FORWARDS
    model(input_ids=ids)
    wait(settings.device)
    start = time.perf_counter()
    for _ in range(count):
        model(input_ids=ids)
    wait(settings.device)
    return 1e3 * (time.perf_counter() - start) / count


def equality(settings: StageSettings) -> Iterator[Raw]:
    """Yield whether all backends generate the same in fp32, and how losses in bf16 differ."""
    model = random_model(settings, torch.float32)
    prompts, all_limits = random_prompts(settings)
    prompts = prompts[:COMPARED_PROMPTS]
    tokens = max(all_limits) if settings.tiny else COMPARED_TOKENS
    answers = {
        name: backend(model, DecodingSettings(8, frozenset(), PAD_ID)).generate(prompts, tokens)
        for name, backend in BACKENDS.items()
        if backend.supports(model)
    }
    answers["model.generate"] = [_alone(model, prompt, tokens) for prompt in prompts]
    first = answers["model.generate"]
    yield {
        "same_tokens_in_fp32": {
            name: sum(here == there for here, there in zip(found, first, strict=True))
            for name, found in answers.items()
        },
        "prompts": len(prompts),
    }
    packed, again = _losses(settings, packed=True), _losses(settings, packed=True)
    padded = _losses(settings, packed=False)
    yield {
        "bitwise_reproducible": packed == again,
        "packed_and_padded_losses_differ_by": max(
            abs(a - b) / abs(b) for a, b in zip(packed, padded, strict=True)
        ),
    }


@torch.inference_mode()
def _alone(model: Any, prompt: Any, tokens: int) -> list[int]:
    """Return the answer of `model.generate` to one prompt, without padding."""
    ids = torch.tensor([list(prompt)], device=model.device)
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=tokens,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=PAD_ID,
    )
    answer: list[int] = output[0, len(prompt) :].tolist()
    return answer


def _losses(settings: StageSettings, packed: bool) -> list[float]:
    batch = min(32, SIZES[settings.model].batch_size)
    config = training_config(settings, batch_size=batch, micro_batch_size=8)
    start_peak(settings.device)
    model = random_model(settings, torch.bfloat16)
    rows = random_rows(settings, batch * COMPARED_STEPS)
    steps, engine = start_training(model, rows, config, settings, packed)
    release_engine(engine)
    return [step.loss for step in steps]
