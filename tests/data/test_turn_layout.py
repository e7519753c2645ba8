"""The end of a turn and the place of an answer, read from templates of several layouts."""

from typing import Any

import pytest

from lookahead_ray.data.chat import (
    answer_prompt_ids,
    end_token_id,
    opens_thoughts,
    prompt_ids,
    read_reply,
    render,
)
from lookahead_ray.data.example import Example
from lookahead_ray.data.turn_layout import turn_layout
from lookahead_ray.errors import ModelError
from lookahead_ray.model.chat_settings import render_chat
from tests.chat_families import (
    CHANNEL_TOKENS,
    CHANNELS,
    EMPTY_THOUGHTS,
    HELD_THOUGHTS,
    OPEN_THOUGHTS,
    PLAIN,
    SWITCHED,
    family,
)

EXAMPLE = Example("Be kind.", "Name a fruit.", "A pear.")
CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Name a fruit."},
    {"role": "assistant", "content": "A pear."},
]


def text_of(tokenizer: Any, example: Example = EXAMPLE) -> str:
    row = render(tokenizer, example, 512)
    return str(tokenizer.decode([*row.prompt_ids, *row.answer_ids]))


PARTS = PLAIN.replace(
    "{{ m.content }}",
    "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}",
)
WITH_SYSTEM = "{% if messages[0].role != 'system' %}{{ raise_exception('say who I am') }}{% endif %}" + PLAIN


class TestRefusal:
    """Templates that can't write the chats of a training, each in one line."""

    @pytest.mark.parametrize(
        ("template", "reason"),
        [
            (PLAIN + "{% if %}", "turns user: Expected an expression, got 'end of statement block'"),
            (PLAIN.replace("m.content", "m.content | bold"), "turns user: No filter named 'bold'"),
            (PLAIN.replace("m.content", "m.content + 1"), "turns user: can only concatenate str"),
            (WITH_SYSTEM, "turns user: say who I am; model.chat_template may name another one"),
            (PARTS, "leaves out the user's text"),
        ],
    )
    def test_names_the_model_and_the_reason(self, template: str, reason: str) -> None:
        tokenizer = family(template)
        tokenizer.name_or_path = "org/mine"
        with pytest.raises(ModelError, match=r"^model\.path: the chat template of org/mine ") as caught:
            prompt_ids(tokenizer, "Name a fruit.", None)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_several_templates_without_a_default_are_listed(self) -> None:
        tokenizer = family(PLAIN)
        tokenizer.chat_template = {"tool_use": PLAIN, "rag": PLAIN}
        with pytest.raises(ModelError, match=r"none is its default \(tool_use, rag\)$"):
            prompt_ids(tokenizer, "Name a fruit.", None)

    def test_a_system_turn_may_be_required(self) -> None:
        tokenizer = family(WITH_SYSTEM)
        assert text_of(tokenizer) == text_of(family(PLAIN))


class TestEnd:
    @pytest.mark.parametrize(
        ("template", "end"),
        [
            (PLAIN, "[stop]"),
            (PLAIN.replace("[stop]\n{% endfor %}", "\n[stop]{{ eos_token }}{% endfor %}"), "[stop]"),
            (PLAIN.replace("{{ m.content }}[stop]", " {{ m.content | trim }} [stop]"), "[stop]"),
            (PLAIN.replace("[stop]", "{{ eos_token }}"), "[eos]"),
            (PLAIN.replace("[stop]", ""), "[eos]"),
            (PLAIN.replace("[stop]", " ### end of turn"), "[eos]"),
            (
                PLAIN.replace(
                    "{{ m.content }}[stop]", "{% generation %}{{ m.content }}[stop]{% endgeneration %}"
                ),
                "[stop]",
            ),
            (
                PLAIN.replace("{% for m in messages %}", "{% for m in messages if m.role == 'user' %}"),
                "[eos]",
            ),
        ],
    )
    def test_is_the_token_that_follows_an_answer(self, template: str, end: str) -> None:
        tokenizer = family(template)
        assert tokenizer.decode([end_token_id(tokenizer)]) == end
        assert text_of(tokenizer).endswith(end)

    def test_may_be_an_added_token_that_is_not_special(self) -> None:
        tokenizer = family(PLAIN, special=(), plain=("[user]", "[assistant]", "[stop]"))
        assert tokenizer.decode([end_token_id(tokenizer)]) == "[stop]"


class TestRowsOfReasoningModels:
    @pytest.mark.parametrize(
        "template",
        [
            PLAIN,
            EMPTY_THOUGHTS,
            OPEN_THOUGHTS,
            HELD_THOUGHTS.replace("<thought>\n{% endif %}{{", "<thought>\n</thought>\n{% endif %}{{"),
        ],
    )
    def test_are_what_the_template_writes(self, template: str) -> None:
        tokenizer = family(template)
        assert text_of(tokenizer) == render_chat(tokenizer, CHAT, add_generation_prompt=False).rstrip()

    def test_in_channels(self) -> None:
        tokenizer = family(CHANNELS, CHANNEL_TOKENS)
        assert text_of(tokenizer) == render_chat(tokenizer, CHAT, add_generation_prompt=False)
        assert tokenizer.decode([end_token_id(tokenizer)]) == "<|return|>"
        assert not opens_thoughts(tokenizer)

    def test_never_train_an_answer_inside_thoughts(self) -> None:
        tokenizer = family(HELD_THOUGHTS)
        assert opens_thoughts(tokenizer)
        assert text_of(tokenizer).endswith("[assistant]\n<thought>\n\n</thought>\n\nA pear.[stop]")

    def test_loss_is_not_on_empty_thoughts(self) -> None:
        tokenizer = family(EMPTY_THOUGHTS)
        row = render(tokenizer, EXAMPLE, 512)
        assert tokenizer.decode(row.answer_ids) == "A pear.[stop]"
        assert tokenizer.decode(row.prompt_ids).endswith("[assistant]\n<reasoning>\n\n</reasoning>\n")

    @pytest.mark.parametrize("template", [EMPTY_THOUGHTS, OPEN_THOUGHTS, HELD_THOUGHTS])
    def test_keep_thoughts_that_an_answer_holds(self, template: str) -> None:
        tokenizer = family(template)
        mark = "reasoning" if template == EMPTY_THOUGHTS else "thought"
        answer = f"<{mark}>\nA pear is one.\n</{mark}>\n\nA pear."
        assert text_of(tokenizer, Example(None, "Name a fruit.", answer)).endswith(
            f"[assistant]\n{answer}[stop]"
        )

    def test_empty_thoughts_in_the_prompt_alone_stay(self) -> None:
        tokenizer = family(SWITCHED)
        assert answer_prompt_ids(tokenizer, "Hi", None) == prompt_ids(tokenizer, "Hi", None)
        assert tokenizer.decode(prompt_ids(tokenizer, "Hi", None)).endswith("<think></think>")


@pytest.mark.parametrize("template", [PLAIN, PLAIN.replace("{{ m.content }}", " {{ m.content }} ")])
def test_without_thoughts_a_row_continues_the_prompt(template: str) -> None:
    tokenizer = family(template)
    assert answer_prompt_ids(tokenizer, "Hi", "Be kind.") == prompt_ids(tokenizer, "Hi", "Be kind.")


def test_unknown_marks_are_read_from_the_template() -> None:
    template = PLAIN.replace(
        "{{ m.content }}",
        "{% if m.reasoning_content %}(musing){{ m.reasoning_content }}(said){% endif %}{{ m.content }}",
    )
    tokenizer = family(template, ("[user]", "[assistant]", "[stop]", "(musing)", "(said)"))
    assert turn_layout(tokenizer).marks == (("(musing)", "(said)"),)
    ids = tokenizer.encode("(musing)Which one?(said)A pear.", add_special_tokens=False)
    assert read_reply(tokenizer, ids) == ("Which one?", "A pear.")


def test_thoughts_in_channels_are_kept_apart() -> None:
    tokenizer = family(CHANNELS, CHANNEL_TOKENS)
    said = (
        "<|channel|>analysis<|message|>Which one?<|end|><|start|>assistant<|channel|>final<|message|>A pear."
    )
    assert read_reply(tokenizer, tokenizer.encode(said, add_special_tokens=False)) == (
        "Which one?",
        "A pear.",
    )


def test_special_marks_of_thoughts_are_not_lost_in_decoding() -> None:
    tokenizer = family(PLAIN, ("[user]", "[assistant]", "[stop]", "[THINK]", "[/THINK]"))
    ids = tokenizer.encode("[THINK]Which one?[/THINK]A pear.[stop]", add_special_tokens=False)
    assert read_reply(tokenizer, ids) == ("Which one?", "A pear.")


def test_an_answer_to_a_prompt_that_opens_thoughts_begins_in_them() -> None:
    tokenizer = family(OPEN_THOUGHTS)
    ids = tokenizer.encode("Which one?\n</thought>\n\nA pear.", add_special_tokens=False)
    assert read_reply(tokenizer, ids, opens_thoughts(tokenizer)) == ("Which one?", "A pear.")
    ids = tokenizer.encode("Which one? I", add_special_tokens=False)
    assert read_reply(tokenizer, ids, opens_thoughts(tokenizer)) == ("Which one? I", "")
