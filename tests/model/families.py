"""Tiny random chat models of several architectures, as configurations of Transformers."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM as AutoModel
from transformers import (
    DogeConfig,
    FalconConfig,
    FalconH1Config,
    FalconMambaConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GraniteMoeHybridConfig,
    Lfm2Config,
    LlamaConfig,
    Mamba2Config,
    MambaConfig,
    MiniMaxConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from tests.toy import toy_tokenizer

TOKENIZER = toy_tokenizer()
CONTEXT = 256
WINDOW = 8  # tokens, less than the prompts of the tests

SHAPE: dict[str, Any] = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.2,
    "bos_token_id": TOKENIZER.bos_token_id,
    "eos_token_id": TOKENIZER.eos_token_id,
    "pad_token_id": TOKENIZER.pad_token_id,
}


def rope(kind: str, **numbers: Any) -> dict[str, Any]:
    """Rotary position settings of a kind."""
    return {"rope_type": kind, "rope_theta": 10000.0, **numbers}


FAMILIES: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SHAPE, tie_word_embeddings=False),
    "llama, tied": LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "llama, linear rope": LlamaConfig(**SHAPE, rope_parameters=rope("linear", factor=2.0)),
    "llama, dynamic rope": LlamaConfig(**SHAPE, rope_parameters=rope("dynamic", factor=2.0)),
    "llama, yarn rope": LlamaConfig(
        **SHAPE, rope_parameters=rope("yarn", factor=2.0, original_max_position_embeddings=128)
    ),
    "llama, llama3 rope": LlamaConfig(
        **SHAPE,
        rope_parameters=rope(
            "llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=64,
        ),
    ),
    "qwen2, tied": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SHAPE, tie_word_embeddings=False),
    "gemma": GemmaConfig(**SHAPE),
    "gemma2, windows": Gemma2Config(**SHAPE, sliding_window=WINDOW, query_pre_attn_scalar=8),
    "gemma3, windows": Gemma3TextConfig(
        **SHAPE,
        sliding_window=WINDOW,
        query_pre_attn_scalar=8,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "mistral, windows": MistralConfig(**SHAPE, sliding_window=WINDOW),
    "gpt2, absolute positions": GPT2Config(
        vocab_size=len(TOKENIZER),
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=CONTEXT,
        initializer_range=0.2,
        bos_token_id=TOKENIZER.bos_token_id,
        eos_token_id=TOKENIZER.eos_token_id,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    ),
}

PADDED: dict[str, PreTrainedConfig] = {
    "falcon, alibi": FalconConfig(
        vocab_size=len(TOKENIZER),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,
        bos_token_id=TOKENIZER.bos_token_id,
        eos_token_id=TOKENIZER.eos_token_id,
        alibi=True,
        multi_query=True,
        parallel_attn=False,
    ),
    "doge, scores with a bias of their own": DogeConfig(**SHAPE),
}
"""Families whose attention has a bias of its own, so that no rows are packed and no cache slots are used."""


_MAMBA: dict[str, Any] = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 2, "mamba_d_state": 8}
_STATES: dict[str, Any] = {
    name: SHAPE[name] for name in ("vocab_size", "hidden_size", "num_hidden_layers", "initializer_range")
}
_ENDS = {name: SHAPE[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}

RECURRENT: dict[str, PreTrainedConfig] = {
    "mamba": MambaConfig(**_STATES, **_ENDS, state_size=8),
    "falcon mamba": FalconMambaConfig(**_STATES, **_ENDS, state_size=8),
    "mamba2": Mamba2Config(
        **_STATES, **_ENDS, state_size=8, num_heads=8, head_dim=8, n_groups=2, chunk_size=16
    ),
    "falcon h1, states and attention in each layer": FalconH1Config(**SHAPE, **_MAMBA, mamba_d_ssm=64),
    "granite 4, states": GraniteMoeHybridConfig(
        **{name: value for name, value in SHAPE.items() if name != "head_dim"},
        **_MAMBA,
        num_local_experts=4,
        num_experts_per_tok=2,
        shared_intermediate_size=32,
        layer_types=["mamba", "attention"],
    ),
    "lfm2, convolutions": Lfm2Config(
        **{name: value for name, value in SHAPE.items() if name != "head_dim"},
        layer_types=["conv", "full_attention"],
    ),
    "minimax, a cache of its own": MiniMaxConfig(**SHAPE, num_local_experts=2),
}
"""Families with layers that keep a state of their rows, in place of keys and values or besides them."""


def make(name: str) -> Any:
    """Return the family's model in fp32 and evaluation mode, with fixed weights."""
    torch.manual_seed(0)
    return AutoModel.from_config({**FAMILIES, **PADDED, **RECURRENT}[name]).float().eval()
