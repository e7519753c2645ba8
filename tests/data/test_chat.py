"""Chats as token ids: one template for training and inference, loss on the answer and its end token."""

from typing import Any

import pytest

from lookahead_ray.data.chat import answer_ids, end_token_id, prompt_ids, render, render_all
from lookahead_ray.data.example import Example
from lookahead_ray.errors import DataError, ModelError
from tests.toy import BOS, CHATML, END, EOS, toy_tokenizer

LLAMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}<<SYS>>{{ m.content }}<</SYS>>"
    "{% elif m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
)
WITHOUT_END = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
IGNORES_SYSTEM = CHATML.replace("messages %}", "messages if m.role != 'system' %}")
REFUSES_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + CHATML
TEMPLATES = {
    "chatml": CHATML,
    "llama": LLAMA,
    "without end": WITHOUT_END,
    "ignores system": IGNORES_SYSTEM,
    "refuses system": REFUSES_SYSTEM,
}
EXAMPLE = Example("Be brief.", "What is 3 + 4? ", "3 + 4 = 7 €.\n#### 7")


@pytest.fixture(params=list(TEMPLATES.values()), ids=list(TEMPLATES))
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return toy_tokenizer(request.param)


class TestEveryTemplate:
    @pytest.mark.parametrize("system", [None, "Be brief."])
    def test_the_training_prefix_is_the_inference_prompt(self, tokenizer: Any, system: str | None) -> None:
        example = Example(system, EXAMPLE.instruction, EXAMPLE.answer)
        rendered = render(tokenizer, example, max_length=512)
        assert rendered.prompt_ids == prompt_ids(tokenizer, example.instruction, system)
        text = tokenizer.decode(rendered.prompt_ids)
        assert example.instruction in text
        assert example.answer not in text
        assert (system or "Be brief.") in text or system is None

    def test_loss_is_on_the_answer_and_its_end_token_only(self, tokenizer: Any) -> None:
        rendered = render(tokenizer, EXAMPLE, max_length=512)
        assert tokenizer.decode(rendered.answer_ids[:-1]) == EXAMPLE.answer
        assert rendered.answer_ids[-1] == end_token_id(tokenizer)
        assert set(rendered.answer_ids[:-1]).isdisjoint(tokenizer.all_special_ids)

    def test_no_token_is_added_that_the_template_does_not_write(self, tokenizer: Any) -> None:
        ids = prompt_ids(tokenizer, "x", None)
        assert ids.count(tokenizer.bos_token_id) == tokenizer.chat_template.count("bos_token")
        assert answer_ids(tokenizer, "x") == (tokenizer.convert_tokens_to_ids("x"),)

    def test_a_long_answer_is_cut_at_its_end(self, tokenizer: Any) -> None:
        whole = render(tokenizer, EXAMPLE, max_length=512)
        longest = len(whole.prompt_ids) + len(whole.answer_ids)
        assert render(tokenizer, EXAMPLE, longest) == whole
        cut = render(tokenizer, EXAMPLE, longest - 3)
        assert cut.prompt_ids == whole.prompt_ids
        assert cut.answer_ids == whole.answer_ids[:-3]
        assert len(render(tokenizer, EXAMPLE, len(whole.prompt_ids) + 1).answer_ids) == 1

    def test_a_prompt_that_leaves_no_room_is_refused(self, tokenizer: Any) -> None:
        tokens = len(prompt_ids(tokenizer, EXAMPLE.instruction, EXAMPLE.system))
        with pytest.raises(DataError) as caught:
            render_all(tokenizer, [EXAMPLE], tokens)
        assert str(caught.value) == (
            "training.max_length: must leave room for an answer after a prompt of "
            f"{tokens} tokens ('What is 3 + 4? '), got {tokens}"
        )


def test_the_whole_conversation_is_what_the_template_writes() -> None:
    tokenizer = toy_tokenizer(CHATML)
    rendered = render(tokenizer, EXAMPLE, max_length=512)
    assert tokenizer.decode([*rendered.prompt_ids, *rendered.answer_ids]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nWhat is 3 + 4? <|im_end|>\n"
        "<|im_start|>assistant\n3 + 4 = 7 €.\n#### 7<|im_end|>"
    )


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (CHATML, END),  # EOS is another token: a model that learns EOS would not stop at the end of its turn
        (LLAMA, EOS),
        (WITHOUT_END, EOS),
        (CHATML.replace("<|im_end|>", f" {END}{EOS}"), END),  # white space before it
        (CHATML.replace("{{ m.content }}", "{{ m.content | trim }}"), END),
    ],
)
def test_the_end_token_is_that_of_the_template(template: str, end: str) -> None:
    tokenizer = toy_tokenizer(template)
    assert end_token_id(tokenizer) == tokenizer.convert_tokens_to_ids(end)
    assert tokenizer.eos_token_id != tokenizer.convert_tokens_to_ids(END)


def test_without_any_end_token_it_is_no_chat_model() -> None:
    tokenizer = toy_tokenizer(WITHOUT_END)
    tokenizer.eos_token = None
    with pytest.raises(ModelError, match=r"model\.path: .* no end token"):
        end_token_id(tokenizer)


@pytest.mark.parametrize("template", [IGNORES_SYSTEM, REFUSES_SYSTEM])
def test_without_a_system_role_the_prompt_goes_in_front_of_the_instruction(template: str) -> None:
    text = toy_tokenizer(template).decode(prompt_ids(toy_tokenizer(template), "Go.", "Be brief."))
    assert text == "<|im_start|>user\nBe brief.\n\nGo.<|im_end|>\n<|im_start|>assistant\n"


def test_bos_occurs_once_when_the_template_writes_it() -> None:
    tokenizer = toy_tokenizer(LLAMA)
    text = tokenizer.decode(prompt_ids(tokenizer, "Go.", "Be brief."))
    assert text == f"{BOS}<<SYS>>Be brief.<</SYS>>[INST] Go. [/INST]"


@pytest.mark.parametrize("template", [None, ""])
def test_without_a_template_it_is_no_chat_model(template: str | None) -> None:
    with pytest.raises(ModelError, match=r"model\.path: .*has no chat template; a chat model is required"):
        prompt_ids(toy_tokenizer(template), "x", None)


class TestHistory:
    HISTORY = (("One?", "1."), ("Two?", "2."))

    @pytest.mark.parametrize("system", [None, "Be brief."])
    def test_earlier_turns_come_first(self, system: str | None) -> None:
        tokenizer = toy_tokenizer()
        rendered = render(tokenizer, Example(system, "Three?", "3.", self.HISTORY), max_length=1000)
        turns = [
            ("user", "One?"),
            ("assistant", "1."),
            ("user", "Two?"),
            ("assistant", "2."),
            ("user", "Three?"),
        ]
        if system:
            turns.insert(0, ("system", system))
        text = "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in turns)
        assert tokenizer.decode(rendered.prompt_ids) == f"{text}<|im_start|>assistant\n"

    def test_a_system_prompt_without_a_role_goes_to_the_first_turn(self) -> None:
        template = (
            "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}{% endif %}"
            "[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
        )
        tokenizer = toy_tokenizer(template)
        text = tokenizer.decode(prompt_ids(tokenizer, "Three?", "Be brief.", self.HISTORY[:1]))
        assert text == "[user]Be brief.\n\nOne?[assistant]1.[user]Three?[assistant]"
