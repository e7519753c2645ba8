"""Chat models of a few kilobytes, each laid out in another way, as directories that `model.path` names."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    Qwen3Config,
)

from tests import chat_families as chats

SHAPE: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 2048, "initializer_range": 0.2,
}  # fmt: skip
GPT2: dict[str, Any] = {
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 2048,
    "initializer_range": 0.2,
}

NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn, please') }}{% endif %}"
    + chats.PLAIN
)
TAKES_TURNS = (
    "{% set turns = messages if messages[0].role != 'system' else messages[1:] %}"
    "{% for m in turns %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant must alternate') }}{% endif %}"
    "[{{ m.role }}]\n"
    "{% if loop.first and messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}"
    "{{ m.content | trim }}[stop]\n{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
NO_START = (
    "{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }} {{ eos_token }}"
    "{% else %}{{ bos_token }}(( {{ m.content }} )){% endif %}{% endfor %}"
)
"""An answer's turn begins with nothing but a space."""
DATED = "[system]\nIt is {{ strftime_now('%A, %d %B %Y') }}.[stop]\n" + chats.PLAIN
ENDS_THE_TEXT = chats.PLAIN.replace(
    "[assistant]\n{% endif %}", "[assistant]\n{% else %}{{ eos_token }}{% endif %}"
)
SAYS_MORE = chats.PLAIN.replace("[stop]\n", "[stop]\n--\n")


@dataclass(frozen=True)
class Layout:
    """A tokenizer with its template, and the model that it belongs to."""

    template: str | None = chats.PLAIN
    special: tuple[str, ...] = chats.PLAIN_TOKENS
    plain: tuple[str, ...] = ()
    eos: str | None = "[eos]"
    bos: str | None = "[bos]"
    pad: str | None = "[eos]"
    config: Callable[..., PreTrainedConfig] = LlamaConfig
    shape: dict[str, Any] = field(default_factory=lambda: SHAPE)
    tied: bool = False
    missing_rows: int = 0  # tokens at the end of the vocabulary that the embedding lacks
    files: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> what is changed in it
    adapter: bool = False


LAYOUTS: dict[str, Layout] = {
    "plain": Layout(),
    "end token is the turn's": Layout(eos="[stop]", special=("[system]", "[user]", "[assistant]")),
    "no begin token, no padding token": Layout(bos=None, pad=None),
    "empty thoughts": Layout(chats.EMPTY_THOUGHTS, plain=("<reasoning>", "</reasoning>")),
    "open thoughts": Layout(chats.OPEN_THOUGHTS, plain=("<thought>", "</thought>")),
    "held thoughts": Layout(chats.HELD_THOUGHTS),
    "switched thoughts": Layout(chats.SWITCHED, plain=("<think>", "</think>")),
    "channels": Layout(chats.CHANNELS, chats.CHANNEL_TOKENS),
    "no system turn": Layout(NO_SYSTEM),
    "alternating turns": Layout(TAKES_TURNS, bos=None),
    "no start of an answer": Layout(NO_START, special=(), pad="[unk]"),
    "dated": Layout(DATED),
    "ends the text": Layout(ENDS_THE_TEXT),
    "words after the end": Layout(SAYS_MORE),
    "turns are no tokens": Layout(special=()),
    "padding outside": Layout(pad="[outside]", missing_rows=1),
    "tied": Layout(tied=True),
    "qwen3": Layout(config=Qwen3Config, tied=True),
    "gemma2": Layout(
        NO_SYSTEM, config=Gemma2Config, shape={**SHAPE, "sliding_window": 16, "query_pre_attn_scalar": 8}
    ),
    "gpt2": Layout(config=GPT2Config, shape=GPT2, tied=True),
    "short context": Layout(shape={**SHAPE, "max_position_embeddings": 192}),
    "samples": Layout(files={"generation_config.json": {"do_sample": True, "temperature": 0.7, "top_k": 5}}),
    "adapter": Layout(adapter=True),
}
REFUSED: dict[str, Layout] = {
    "no template": Layout(template=None),
    "turns outside": Layout(missing_rows=1),
    "quantized": Layout(files={"config.json": {"quantization_config": {"quant_method": "fp8", "bits": 8}}}),
}


def make_layout(name: str, directory: Path) -> Path:
    """Write the model `name`, with fixed random weights."""
    layout = {**LAYOUTS, **REFUSED}[name]
    tokenizer = chats.family(layout.template, layout.special, layout.plain, layout.eos, layout.bos)
    if layout.pad is None:
        tokenizer.pad_token = None
    else:
        tokenizer.add_special_tokens({"pad_token": layout.pad})
    rows = len(tokenizer) - layout.missing_rows
    torch.manual_seed(0)
    config = layout.config(
        vocab_size=rows,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
        tie_word_embeddings=layout.tied,
        **layout.shape,
    )
    model: Any = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    base = directory / "base" if layout.adapter else directory
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    for file, changes in layout.files.items():
        path = base / file
        found = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**found, **changes}))
    if layout.adapter:
        adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
        adapted.save_pretrained(directory)
        settings = json.loads((directory / "adapter_config.json").read_text())
        settings["base_model_name_or_path"] = "base"
        (directory / "adapter_config.json").write_text(json.dumps(settings))
    return directory
