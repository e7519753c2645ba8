"""An answer's first token is the one that it has in a chat, whatever the tokenizer does with spaces."""

from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lookahead_ray.data.answer_lead import AnswerLead, answer_lead
from lookahead_ray.data.chat import answer_ids, decode_answer, render
from lookahead_ray.data.example import Example
from tests.toy import toy_tokenizer

LINES = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
BRACKETS = (
    "{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }}{{ eos_token }}"
    "{% else %}{{ bos_token }}[INST] {{ m.content }} [/INST]{% endif %}{% endfor %}"
)
WORDS = ("▁Sure", "ĠSure", "Sure", "▁Hello", "Hello", "▁I", "ĠI")


def in_words(spaces: str, special: tuple[str, ...] = ()) -> Any:
    """Return a BPE tokenizer that keeps spaces in its tokens.

    Args:
        spaces: `prepended` to each text as Llama's first tokenizers do, `first` to what begins a text,
            `never`, or `bytes` for a byte-level one.
    """
    letters = pre_tokenizers.ByteLevel.alphabet() if spaces == "bytes" else map(chr, range(33, 127))
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *sorted(letters)]
    vocab = {name: index for index, name in enumerate(names)}
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        for end in range(2, len(word) + 1):
            if word[: end - 1] in vocab and word[end - 1] in vocab:
                vocab.setdefault(word[:end], len(vocab))
                merges.append((word[: end - 1], word[end - 1]))
    merges = list(dict.fromkeys(merges))
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True, unk_token="<unk>"))
    if spaces == "bytes":
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
    else:
        backend.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    if spaces == "prepended":
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    elif spaces != "bytes":
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=spaces, split=False)
    backend.add_special_tokens([AddedToken(name, normalized=False) for name in ("<s>", "</s>", *special)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


def chat_ids(tokenizer: Any, question: str, answer: str) -> list[int]:
    chat = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    text = tokenizer.apply_chat_template(chat, tokenize=False)
    return list(tokenizer.encode(text, add_special_tokens=False))


@pytest.mark.parametrize("spaces", ["prepended", "first", "never", "bytes"])
@pytest.mark.parametrize("template", [LINES, BRACKETS], ids=["lines", "brackets"])
@pytest.mark.parametrize("answer", ["Sure, I do.", "12 of 30", "Hello\nSure", "</s> ends it"])
def test_a_row_has_the_tokens_of_the_chat(spaces: str, template: str, answer: str) -> None:
    tokenizer = in_words(spaces)
    tokenizer.chat_template = template
    row = render(tokenizer, Example(None, "Hello", answer), 1000)
    if "</s>" not in answer:  # which stays text in a row
        expected = chat_ids(tokenizer, "Hello", answer)
        assert [*row.prompt_ids, *row.answer_ids] == expected[: row.length]
    assert decode_answer(tokenizer, row.answer_ids).lstrip() == answer


def test_after_a_control_token_too() -> None:
    tokenizer = in_words("first", special=("<|user|>", "<|assistant|>"))
    tokenizer.chat_template = LINES.replace("|>\n", "|>")
    row = render(tokenizer, Example(None, "Hello", "Sure"), 1000)
    assert [*row.prompt_ids, *row.answer_ids] == chat_ids(tokenizer, "Hello", "Sure")[: row.length]
    assert tokenizer.convert_ids_to_tokens(row.answer_ids) == ["Sure", "</s>"]


def test_a_space_that_would_be_a_token_of_its_own_is_left_out() -> None:
    tokenizer = toy_tokenizer(BRACKETS)
    assert answer_lead(tokenizer) == AnswerLead()
    assert tokenizer.convert_ids_to_tokens(answer_ids(tokenizer, "Hi")) == ["H", "i"]


def test_an_answer_that_merges_with_the_text_before_it_is_tokenised_alone() -> None:
    tokenizer = in_words("first")
    tokenizer.chat_template = LINES
    assert answer_lead(tokenizer) == AnswerLead("\n")
    assert answer_ids(tokenizer, "") == ()
