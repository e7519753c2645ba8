"""Models with random weights, made on the device, and rows with the lengths of GSM8K's."""

import json
import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.gpu_stages.settings import MODELS, SIZES, Shape, StageSettings
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import vanilla
from lookahead_ray.method.compute import teacher_forced
from lookahead_ray.model.meta_weights import build_without_weights
from lookahead_ray.train.batches import collate
from lookahead_ray.train.flops import Costs, count
from lookahead_ray.train.model import answer_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LENGTHS = Path(__file__).with_name("gsm8k_lengths.json")
"""[[prompt, answer], …] in tokens of SmolLM2's tokenizer, of 1,024 training rows in the chat rendering."""
COUNTED = 128  # tokens of prompt, and of answer, of the row whose FLOPs are counted
PAD_ID = 0


def architecture(shape: Shape) -> Any:
    """Return the configuration of a Llama with `shape`."""
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=4096,
        pad_token_id=PAD_ID,
        bos_token_id=None,
        eos_token_id=None,
    )


def random_model(settings: StageSettings, dtype: torch.dtype, **arguments: Any) -> "PreTrainedModel":
    """Return a model whose weights are drawn on the device, the same in every call."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with torch.device(settings.device):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            architecture(MODELS[settings.model]), dtype=dtype, **arguments
        )
    torch.backends.cuda.enable_cudnn_sdp(False)  # as `load_model` does
    checked: PreTrainedModel = model.eval()
    return checked


def random_rows(settings: StageSettings, count: int) -> list[Rendered]:
    """Return `count` rows of random tokens with GSM8K's lengths."""
    lengths = _lengths()
    if settings.tiny:
        lengths = [(1 + prompt // 16, 2 + answer // 16) for prompt, answer in lengths]
    draw, vocabulary = random.Random(0), MODELS[settings.model].vocabulary

    def tokens(length: int) -> tuple[int, ...]:
        return tuple(draw.randrange(1, vocabulary) for _ in range(length))

    return [
        Rendered(tokens(prompt), tokens(answer))
        for prompt, answer in (lengths[index % len(lengths)] for index in range(count))
    ]


def random_prompts(settings: StageSettings) -> tuple[list[tuple[int, ...]], list[int]]:
    """Return prompts, and how many tokens the answer to each has: random weights end nowhere."""
    sizes = SIZES[settings.model]
    rows = random_rows(settings, sizes.prompts)
    limits = [min(len(row.answer_ids), sizes.longest_answer) for row in rows]
    return [row.prompt_ids for row in rows], limits


@lru_cache
def _lengths() -> list[tuple[int, int]]:
    return [(prompt, answer) for prompt, answer in json.loads(LENGTHS.read_text(encoding="utf-8"))]


@lru_cache
def training_costs(model: str) -> Costs:
    """Return FLOPs of forward and backward pass, counted without weights; without recomputation."""
    empty = build_without_weights(architecture(MODELS[model]))
    empty.set_attn_implementation("eager")
    row = Rendered((1,) * COUNTED, (1,) * COUNTED)

    def loss(model: torch.nn.Module, rows: Sequence[Rendered]) -> torch.Tensor:
        micro = collate(rows, PAD_ID, model)
        length = rows[0].length - 1
        # given, because Transformers reads numbers from the device to make one
        micro.inputs["attention_mask"] = torch.zeros(1, 1, length, length, device=empty.device)
        return vanilla.answer_loss(answer_logits(model, micro), micro.targets)

    return count(empty, loss, [row])[1]


def training_flops(model: str, rows: list[Rendered]) -> float:
    """Return the FLOPs of training once on `rows`: no padding, and logits at answer tokens only."""
    return training_costs(model).of(teacher_forced(rows))
