"""Training by TRL's SFTTrainer on the same rows, at its defaults and at the settings that suit a GPU best."""

import importlib.util
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.common import Raw
from benchmarks.gpu_stages.memory import peak_gb, start_peak
from benchmarks.gpu_stages.models import random_model, random_rows, training_flops
from benchmarks.gpu_stages.settings import LEARNING_RATE, MODELS, SIZES, StageSettings
from benchmarks.training_peers import attention, train
from benchmarks.training_search import COMPILED_WARM_UP, GPU_ATTENTION, unavailable
from benchmarks.training_settings import TRL, TRL_BEST, TrainingSettings


def candidates(settings: StageSettings) -> list[dict[str, Any] | None]:
    """Return the settings of TRL to try, None for its defaults.

    Flash attention's package is rarely there, so our attention of packed rows stands in for it. Rows without
    padding let a micro-batch be larger. One set that needs Liger, which may be missing, is tried without it.
    """
    (option,) = settings.options
    if option == "defaults":
        return [None]
    free: dict[str, Any] = {
        "rows": "padding_free",
        "attention": GPU_ATTENTION,
        "micro_batch_size": SIZES[settings.model].batch_size // 2,
        "liger": importlib.util.find_spec("liger_kernel") is not None and settings.device == "cuda",
        "compile": False,
    }
    if option == "compiled":
        return [{**free, "compile": True}]
    if option == "flash":
        return [{**free, "attention": "flash_attention_2"}]
    return [free, {**free, "micro_batch_size": SIZES[settings.model].batch_size}, {**free, "liger": False}]


def measure(settings: StageSettings) -> Iterator[Raw]:
    """Yield the figures of each candidate; a missing package, or too little memory, is one too."""
    tried: list[dict[str, Any] | None] = []
    for peer in candidates(settings):
        if peer in tried:
            continue
        tried.append(peer)
        described: Raw = {"peer": "TRL", "tried": peer or "defaults"}
        if problem := unavailable(peer) if peer else None:
            yield {**described, "unavailable": problem}
            continue
        try:
            yield {**described, **train_once(settings, peer)}
        except torch.cuda.OutOfMemoryError as error:
            yield {**described, "out_of_memory": str(error).splitlines()[0]}
        start_peak(settings.device)


def train_once(settings: StageSettings, peer: dict[str, Any] | None) -> Raw:
    """Train with TRL; its optimiser's states have the precision of the weights, bf16."""
    start_peak(settings.device)
    sizes = SIZES[settings.model]
    steps = sizes.steps + (COMPILED_WARM_UP if peer and peer["compile"] else 0)
    chosen = TrainingSettings(
        batch_size=sizes.batch_size,
        micro_batch_size=min(16, sizes.batch_size) if settings.model != "135m" else sizes.micro_rows,
        steps=steps,
        learning_rate=LEARNING_RATE,
        device=settings.device,
        precision="bf16",
        peer=peer,
    )
    rows = random_rows(settings, chosen.examples)
    model = random_model(settings, torch.bfloat16, **attention(chosen))
    variant = TRL_BEST if peer else TRL
    raw = train(variant.name, chosen, model, tokenizer(MODELS[settings.model].vocabulary), rows)
    flops = training_flops(settings.model, rows) / sum(row.length for row in rows)
    flops *= raw["tokens_per_second"]
    return {
        "tokens_per_second": raw["tokens_per_second"],
        "flops_per_second": flops,
        **({"share_of_measured_peak": flops / settings.peak_flops} if settings.peak_flops else {}),
        "seconds_per_step": raw["seconds"] / raw["steps"],
        "mean_loss": raw["mean_loss"],
        "attention": raw["attention"],
        "gradient_checkpointing": raw["gradient_checkpointing"],
        "fp32_weights": False,
        "peak_gb": peak_gb(settings.device),
    }


def tokenizer(vocabulary: int) -> Any:
    """Return a tokenizer that only names its padding and end tokens: rows are token ids already."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {f"<{number}>": number for number in range(vocabulary)}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<1>")),  # noqa: S106  # a token of text
        pad_token="<0>",  # noqa: S106
        eos_token="<2>",  # noqa: S106
        unk_token="<1>",  # noqa: S106
    )
