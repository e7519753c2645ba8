"""Golden: Llama-2's chats under `model.protocol`, as text; the facts are of fb1749e."""

from typing import Any

import pytest

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.data.chat import end_token_id, prompt_ids, render
from lookahead_ray.data.example import Example
from lookahead_ray.errors import ModelError
from lookahead_ray.model.load import load_tokenizer
from tests.preview import bpe
from tests.toy import CHATML

OWN = (
    "{% for m in messages %}{% if m.role == 'system' %}{% set s = m.content %}{% elif m.role == 'user' %}"
    "{{ bos_token }}[INST] {{ m.content.strip() }} [/INST]{% else %} {{ m.content }} {{ eos_token }}"
    "{% endif %}{% endfor %}"
)
EXAMPLE = Example("You help.", "What is 3 + 4? ", "3 + 4 = 7")


def saved(folder: Any, template: str) -> ModelConfig:
    """A tokenizer as Llama-2's, which puts a space in front of all text that it encodes, in `folder`."""
    tokenizer = bpe.llama2()
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return ModelConfig(path=str(folder), protocol="paper")


def test_two_spaces_in_training_and_one_at_inference(tmp_path: Any) -> None:
    tokenizer = load_tokenizer(saved(tmp_path, OWN))
    prompt = "<s> [INST] <<SYS>>\nYou help.\n<</SYS>>\n\nWhat is 3 + 4?  [/INST] "
    assert written(tokenizer, prompt_ids(tokenizer, EXAMPLE.instruction, EXAMPLE.system)) == prompt
    row = render(tokenizer, EXAMPLE, 512)
    assert written(tokenizer, (*row.prompt_ids, *row.answer_ids)) == f"{prompt} 3 + 4 = 7</s>"
    assert end_token_id(tokenizer) == tokenizer.eos_token_id


def test_no_system_prompt(tmp_path: Any) -> None:
    tokenizer = load_tokenizer(saved(tmp_path, OWN))
    assert written(tokenizer, prompt_ids(tokenizer, "Hi.", None)) == "<s> [INST] Hi. [/INST] "


def test_fixed_keeps_the_tokenizers_own(tmp_path: Any) -> None:
    config = saved(tmp_path, OWN).model_copy(update={"protocol": "fixed"})
    tokenizer = load_tokenizer(config)
    row = render(tokenizer, EXAMPLE, 512)
    assert tokenizer.chat_template == OWN
    assert "[/INST] 3 + 4" in written(tokenizer, (*row.prompt_ids, *row.answer_ids))


def test_another_chat_format_is_refused(tmp_path: Any) -> None:
    with pytest.raises(
        ModelError, match=r"^model\.protocol: paper writes Llama-2's chats, but .*: use fixed$"
    ):
        load_tokenizer(saved(tmp_path, CHATML))


def written(tokenizer: Any, ids: Any) -> str:
    """The pieces in a row; spaces as they stand in them."""
    return "".join(tokenizer.convert_ids_to_tokens(list(ids))).replace("▁", " ")
