"""Names of control tokens in users' texts stay text, for fast and slow tokenizers."""

from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from lookahead_ray.data.chat import answer_ids, end_token_id, prompt_ids, render
from lookahead_ray.data.example import Example
from lookahead_ray.errors import DataError
from lookahead_ray.model.chat_settings import render_chat
from tests.chat_families import CHANNEL_TOKENS, CHANNELS, EMPTY_THOUGHTS, PLAIN, PLAIN_TOKENS, family
from tests.preview import bpe

TEXTS = ["[stop]", "a[stop]b [bos]\n[user]", "<x>[eos][eos]</x>", " [stop] ", "[stop"]
ORDINARY = ["", "A pear. ", "  two  spaces\n\n", "Ünïcode 😀 [sto p]", "<stop>"]


def slow() -> Any:
    tokenizer = ByT5Tokenizer(extra_ids=0, additional_special_tokens=["[user]", "[assistant]", "[stop]"])
    tokenizer.add_tokens(["<note>"])
    tokenizer.chat_template = PLAIN
    return tokenizer


def unigram() -> Any:
    """In this kind of tokenizer a control token is a piece of the vocabulary like all others."""
    letters = [(character, -5.0) for character in map(chr, range(32, 127))]
    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -4.0), *letters]
    backend = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    backend.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in ("<unk>", "</s>")]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% endfor %}"
    return tokenizer


def sentencepiece() -> Any:
    tokenizer = bpe.llama2()
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content }} [/INST]"
        "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
    )
    return tokenizer


TOKENIZERS = {"fast": lambda: family(PLAIN), "slow": slow}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return TOKENIZERS[request.param]()


@pytest.mark.parametrize("text", TEXTS)
def test_an_answer_has_no_control_tokens(tokenizer: Any, text: str) -> None:
    ids = answer_ids(tokenizer, text)
    assert set(ids).isdisjoint(tokenizer.all_special_ids)
    assert tokenizer.decode(ids) == text
    row = render(tokenizer, Example(None, "Go.", text), 512)
    assert row.answer_ids == (*ids, end_token_id(tokenizer))


@pytest.mark.parametrize("text", TEXTS)
def test_a_prompt_has_those_of_the_template_alone(tokenizer: Any, text: str) -> None:
    control = {*tokenizer.all_special_ids}
    plain = [token for token in prompt_ids(tokenizer, "x", "y", (("z", "z"),)) if token in control]
    ids = prompt_ids(tokenizer, text, text, ((text, text),))
    assert [token for token in ids if token in control] == plain
    chat = [{"role": role, "content": text} for role in ("system", "user", "assistant", "user")]
    assert tokenizer.decode(ids) == render_chat(tokenizer, chat, add_generation_prompt=True)


@pytest.mark.parametrize("text", ORDINARY)
def test_other_texts_are_encoded_as_ever(tokenizer: Any, text: str) -> None:
    assert answer_ids(tokenizer, text) == tuple(tokenizer.encode(text, add_special_tokens=False))
    written = render_chat(tokenizer, [{"role": "user", "content": text}], add_generation_prompt=True)
    assert prompt_ids(tokenizer, text, None) == tuple(tokenizer.encode(written, add_special_tokens=False))


def test_around_a_name_nothing_changes() -> None:
    """The same words have the same tokens with and without a name elsewhere in the text."""
    tokenizer = sentencepiece()
    ids, plain = (prompt_ids(tokenizer, text, None) for text in ("we have seen </s> them", "we have seen"))
    assert tokenizer.decode(ids) == "<s> [INST] we have seen </s> them [/INST]"
    assert tokenizer.eos_token_id not in ids
    end = [tokenizer.decode(plain[:length]) for length in range(len(plain))].index("<s> [INST] we have seen")
    assert ids[:end] == plain[:end]
    assert tokenizer.decode(answer_ids(tokenizer, "<s>12</s> 9")) == "<s>12</s> 9"


def test_a_control_token_of_the_vocabulary_is_spelt() -> None:
    tokenizer = unigram()
    ids = answer_ids(tokenizer, "It ends in </s> here.")
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids) == "It ends in </s> here."


def test_a_tokenizer_that_can_only_write_the_token_is_refused_by_name() -> None:
    tokenizer = family(PLAIN, (*PLAIN_TOKENS, "~"))
    with pytest.raises(DataError, match=r"^'~' in a prompt or an answer is a control token of this model"):
        answer_ids(tokenizer, "~ 12 euro")


def test_marks_of_turns_need_not_be_special() -> None:
    tokenizer = family(PLAIN, special=(), plain=("[user]", "[assistant]", "[stop]", "[tool]"))
    text = "[user] says [stop], [tool]"
    ids = answer_ids(tokenizer, text)
    names = tokenizer.convert_ids_to_tokens(ids)
    assert "[tool]" in names
    assert "[stop]" not in names
    assert "[user]" not in names
    assert tokenizer.decode(ids) == text


def test_marks_of_thoughts_in_an_answer_are_tokens() -> None:
    tokenizer = family(
        EMPTY_THOUGHTS, ("[user]", "[assistant]", "[stop]"), plain=("<reasoning>", "</reasoning>")
    )
    ids = answer_ids(tokenizer, "<reasoning>\n[stop]?\n</reasoning>\nNo.")
    names = tokenizer.convert_ids_to_tokens(ids)
    assert names[0] == "<reasoning>"
    assert "</reasoning>" in names
    assert "[stop]" not in names


def test_channels_in_a_text_stay_text() -> None:
    tokenizer = family(CHANNELS, CHANNEL_TOKENS)
    text = "Write <|channel|>final<|message|> first."
    assert set(answer_ids(tokenizer, text)).isdisjoint(tokenizer.all_special_ids)
    assert tokenizer.decode(prompt_ids(tokenizer, text, None)).count("<|channel|>") == 1


def test_white_space_beside_a_control_token_is_stripped_as_by_the_tokenizer() -> None:
    tokenizer = family(PLAIN, special=("[user]", "[assistant]"))
    tokenizer.add_tokens([AddedToken("[stop]", special=True, normalized=False, lstrip=True, rstrip=True)])
    ids = prompt_ids(tokenizer, "say [stop] or [user]", None)
    assert tokenizer.decode(ids) == "[user]\nsay [stop] or [user][stop][assistant]\n"
