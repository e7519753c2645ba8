"""What decides about an answer's first token: the text before it, and a space that the template writes there.

Some tokenizers put a space before a text that stands alone, but not after a line break; some templates write
a space before an answer, which belongs to its first token:

    Llama 2    "[/INST]" + " Sure"         "▁Sure", as alone
    TinyLlama  "<|assistant|>\\n" + "Sure"  "Sure", but alone "▁Sure"
    byte-level "[/INST]" + " Sure"         "ĠSure", but alone "Sure"
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from lookahead_ray.errors import ModelError
from lookahead_ray.model.chat_settings import ChatTurns, begin_chat, try_to_render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

_SAMPLES = ("Sure", "I can", "12 x")
_SPACE = " "


class AnswerLead(NamedTuple):
    """What an answer is tokenised with, so that its tokens are those that it has in a chat.

    Attributes:
        context: text before the answer, whose tokens are no part of it.
        space: white space of the template that belongs to the answer's first token.
    """

    context: str = ""
    space: str = ""


@lru_cache(maxsize=8)
def answer_lead(tokenizer: "Tokenizer") -> AnswerLead:
    """Return what to tokenise answers with: nothing, unless a chat's tokens then differ from the template's.

    Nothing too if a prompt's tokens do not begin those of the chat, or if the template's space would be a
    token of its own before a word.
    """
    try:
        turns, prompt = begin_chat(tokenizer, "x", "x")
    except ModelError:
        return AnswerLead()
    wanted = [_continued(tokenizer, prompt, turns, sample) for sample in _SAMPLES]
    contexts = ("", prompt[-1:])
    for lead in (AnswerLead(context, space) for context in contexts for space in ("", _SPACE)):
        found = [continue_lead(tokenizer, lead, sample) for sample in _SAMPLES]
        if None not in wanted and found == wanted:
            alone = continue_lead(tokenizer, AnswerLead(), _SAMPLES[0]) or []
            return AnswerLead() if len(found[0] or []) > len(alone) else lead
    return AnswerLead()


def continue_lead(tokenizer: "Tokenizer", lead: AnswerLead, answer: str) -> list[int] | None:
    """Return the tokens of `answer` after `lead`; None if those of its context change."""
    return _rest(tokenizer, lead.context, f"{lead.context}{lead.space}{answer}")


def _continued(tokenizer: "Tokenizer", prompt: str, turns: ChatTurns, answer: str) -> list[int] | None:
    """Return the tokens of `answer` in a chat; None if the chat or its tokens do not continue the prompt."""
    chat = try_to_render(tokenizer, [*turns, {"role": "assistant", "content": answer}])
    text = next((text for text in (prompt + answer, prompt + _SPACE + answer) if chat.startswith(text)), None)
    return None if text is None else _rest(tokenizer, prompt, text)


def _rest(tokenizer: "Tokenizer", begun: str, text: str) -> list[int] | None:
    first = tokenizer.encode(begun, add_special_tokens=False) if begun else []
    ids = tokenizer.encode(text, add_special_tokens=False)
    return list(ids[len(first) :]) if list(ids[: len(first)]) == list(first) else None
