"""Models that cannot be trained as chat models are refused in one line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    LlamaForCausalLM,
    OpenAIGPTConfig,
    PreTrainedConfig,
    RwkvConfig,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTModel,
    xLSTMConfig,
)

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.model import load
from lookahead_ray.model.load import load_model, load_tokenizer
from lookahead_ray.model.outline import build_on_meta
from lookahead_ray.model.pretrained import load_pretrained
from tests.tiny import make_model
from tests.toy import toy_model, toy_tokenizer

TINY: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
}  # fmt: skip
BERT = {"vocab_size": 99, **TINY}
BART: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "vocab_size": 99,
}  # fmt: skip
T5: dict[str, Any] = {
    "d_model": 32, "d_ff": 32, "num_layers": 1, "num_heads": 2, "d_kv": 8, "vocab_size": 99,
}  # fmt: skip
NOT_CAUSAL: dict[str, Any] = {
    "t5": lambda: T5ForConditionalGeneration(T5Config(**T5)),
    "bart": lambda: BartForConditionalGeneration(BartConfig(**BART)),
    "bert": lambda: BertForMaskedLM(BertConfig(**BERT)),
    "bert with a head": lambda: BertLMHeadModel(BertConfig(**BERT)),
    "vit": lambda: ViTModel(ViTConfig(**TINY)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", NOT_CAUSAL)
def test_a_model_that_is_not_causal(tmp_path: Path, kind: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    NOT_CAUSAL[kind]().save_pretrained(tmp_path)
    rule = rf"is not a causal language model \(its architecture is {kind.split()[0]}\)"
    with pytest.raises(ModelError, match=rf"^model\.path: .* {rule}$"):
        load_model(ModelConfig(path=str(tmp_path)), dtype)


@pytest.mark.parametrize("kind", [OpenAIGPTConfig, RwkvConfig, xLSTMConfig])
def test_an_architecture_without_a_cache_is_refused_before_its_weights_are_read(
    tmp_path: Path, kind: type[PreTrainedConfig]
) -> None:
    kind(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=99).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    rule = rf"its architecture \({kind.model_type}\) takes none of Transformers' caches, .* of another archi"
    for use in (build_on_meta, lambda config: load_model(config, torch.float32)):
        with pytest.raises(ModelError, match=rf"^model\.path: .* can't be used: {rule}"):
            use(ModelConfig(path=str(tmp_path)))


def test_a_decoder_of_that_kind_is_one(tmp_path: Path) -> None:
    BertLMHeadModel(BertConfig(is_decoder=True, **BERT)).save_pretrained(tmp_path)
    assert load_model(ModelConfig(path=str(tmp_path)), torch.float32).config.is_decoder


def test_a_model_with_undeclared_bidirectional_attention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_model().save_pretrained(tmp_path)
    config = ModelConfig(path=str(tmp_path))
    assert load_model(config, torch.float32).num_parameters()
    plain = LlamaForCausalLM.forward

    def averaging(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = plain(self, *args, **kwargs)
        output.logits = output.logits + output.logits.mean(1, keepdim=True)
        return output

    monkeypatch.setattr(LlamaForCausalLM, "forward", averaging)
    with pytest.raises(ModelError, match=r"is not a causal language model \(its architecture is llama\)$"):
        load_model(config, torch.float32)


class TestTokenizers:
    def loaded(self, tokenizer: Any, folder: Path) -> Any:
        (folder / "model.safetensors").write_bytes(b"")
        tokenizer.save_pretrained(folder)
        return load_tokenizer(ModelConfig(path=str(folder)))

    def test_without_a_chat_template(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"path: .* has no chat template; a chat model is required$"):
            self.loaded(toy_tokenizer(None), tmp_path)

    def test_without_a_padding_token_another_one_pads(self, tmp_path: Path) -> None:
        tokenizer = toy_tokenizer()
        tokenizer.pad_token = None
        loaded = self.loaded(tokenizer, tmp_path)
        assert loaded.pad_token == tokenizer.eos_token
        tokenizer.eos_token = None
        assert self.loaded(tokenizer, tmp_path).pad_token_id in tokenizer.all_special_ids

    def test_without_any_special_token(self, tmp_path: Path) -> None:
        tokenizer = toy_tokenizer("{% for m in messages %}{{ m.content }}{% endfor %}")
        for name in ("pad_token", "eos_token", "bos_token"):
            setattr(tokenizer, name, None)
        tokenizer.extra_special_tokens = []
        with pytest.raises(ModelError, match=r"path: .* has neither an end token nor a padding token$"):
            self.loaded(tokenizer, tmp_path)


def test_a_models_weights_are_read_to_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may have no GPU, so what Transformers is asked for is looked at."""
    asked: list[dict[str, Any]] = []
    config = ModelConfig(path=str(make_model(tmp_path)))

    def read(kind: Any, place: str, subject: str, **arguments: Any) -> Any:
        if "use_safetensors" not in arguments:  # the configuration
            return load_pretrained(kind, place, subject, **arguments)
        asked.append(arguments)
        return load_pretrained(kind, place, subject, **{**arguments, "device_map": {"": torch.device("cpu")}})

    monkeypatch.setattr(load, "load_pretrained", read)
    moved: list[Any] = []
    monkeypatch.setattr(LlamaForCausalLM, "to", lambda model, device: moved.append(device) or model)
    model = load_model(config, torch.bfloat16, torch.device("cuda", 1))
    assert asked[0]["device_map"] == {"": torch.device("cuda", 1)}
    assert moved == [torch.device("cuda", 1)]
    assert not any(hasattr(module, "_hf_hook") for module in model.modules())
    load_model(config, torch.bfloat16)
    assert "device_map" not in asked[1]


@pytest.mark.parametrize("content", ["{", '{"model": {"type": "New"}}', "version https://git-lfs"])
def test_a_damaged_tokenizer_is_named(tmp_path: Path, content: str) -> None:
    path = make_model(tmp_path / "model")
    (path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"^model\.path: .*can't be loaded: "):
        load_tokenizer(ModelConfig(path=str(path)))
