"""Rendering of examples as token ids, with the tokenizer's own chat template.

Training and inference share `prompt_ids`, so the rendered training prefix equals the inference prompt token
for token, unless the template writes an answer without thoughts elsewhere (see `turn_layout`); the answer is
tokenised separately, as a model generates it (see `answer_lead`). Control tokens in users' texts stay text
(`control_tokens`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lookahead_ray.data.answer_lead import answer_lead
from lookahead_ray.data.control_tokens import ControlTokens, control_tokens
from lookahead_ray.data.example import Example, Exchange
from lookahead_ray.data.thoughts import CHANNEL, CHANNEL_TOKENS, Reply, split_thoughts
from lookahead_ray.data.turn_layout import knows_system, turn_layout
from lookahead_ray.errors import DataError, ModelError
from lookahead_ray.model import llama2
from lookahead_ray.model.chat_settings import render_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer


@dataclass(frozen=True, slots=True)
class Rendered:
    """One training example as token ids; the loss covers `answer_ids` only, its end token included."""

    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]

    @property
    def length(self) -> int:
        """Return the token count of prompt and answer."""
        return len(self.prompt_ids) + len(self.answer_ids)


def prompt_ids(
    tokenizer: "Tokenizer", instruction: str, system: str | None, history: Sequence[Exchange] = ()
) -> tuple[int, ...]:
    """Return the token ids of the conversation up to the point where the assistant's turn begins.

    If the template has no system role, the system prompt is prepended to the user's first turn. The prompts
    of some reasoning models end inside the assistant's thoughts.

    Args:
        history: turns of the user and the assistant before `instruction`.

    Raises:
        DataError: a control token's name in a text can't be encoded as text.
        ModelError: the tokenizer has no chat template.
    """
    return _controls(tokenizer).encode_with(
        lambda hide: _prompt_text(tokenizer, instruction, system, history, hide)
    )


def answer_prompt_ids(
    tokenizer: "Tokenizer",
    instruction: str,
    system: str | None,
    history: Sequence[Exchange] = (),
    answer: str = "",
) -> tuple[int, ...]:
    """Return the token ids of the conversation up to where the template writes `answer`.

    They differ from `prompt_ids` for reasoning models only: the answer stands after or without thoughts,
    unless it begins with thoughts itself. Raises as `prompt_ids` does.
    """
    layout = turn_layout(tokenizer)
    return _controls(tokenizer).encode_with(
        lambda hide: layout.before(answer, _prompt_text(tokenizer, instruction, system, history, hide))
    )


def answer_ids(tokenizer: "Tokenizer", answer: str) -> tuple[int, ...]:
    """Return the token ids of an answer or its beginning, without control tokens (no BOS, no end token).

    Raises:
        DataError: a control token's name in the answer can't be encoded as text.
    """
    lead, controls = answer_lead(tokenizer), _controls(tokenizer)
    if not answer or not (lead.context or lead.space):
        return controls.encode(answer)
    before = controls.encode(lead.context)
    ids = controls.encode_with(lambda hide: f"{lead.context}{lead.space}{hide(answer)}")
    return ids[len(before) :] if ids[: len(before)] == before else controls.encode(answer)


def start_answer_with(tokenizer: "Tokenizer", prompt: Sequence[int], start: Sequence[int]) -> tuple[int, ...]:
    """Return the token ids of a prompt followed by `start` of its answer, which is tokenised separately.

    Under `model.protocol: paper` there is one space between them, as published: the template's is removed if
    the start is not empty, because the start has its own.
    """
    if start and llama2.ends_in_space(tokenizer, prompt):
        prompt = prompt[:-1]
    return (*prompt, *start)


def decode_answer(tokenizer: "Tokenizer", ids: Sequence[int]) -> str:
    """Return the text of an answer's token ids, without special tokens except marks of thoughts."""
    kept = _kept_tokens(tokenizer)
    if kept.keys().isdisjoint(ids):
        return str(tokenizer.decode(list(ids), skip_special_tokens=True))
    text, run = "", list[int]()
    for token_id in ids:
        if token_id in kept:
            text += f"{tokenizer.decode(run, skip_special_tokens=True)}{kept[token_id]}"
            run = []
        else:
            run.append(token_id)
    return text + str(tokenizer.decode(run, skip_special_tokens=True))


def read_reply(tokenizer: "Tokenizer", ids: Sequence[int], opened: bool = False) -> Reply:
    """Return thoughts and answer of a generated text.

    Args:
        opened: whether the prompt opened the thoughts (see `opens_thoughts`).
    """
    return split_thoughts(decode_answer(tokenizer, ids), opened, turn_layout(tokenizer).marks)


def opens_thoughts(tokenizer: "Tokenizer") -> bool:
    """Return whether `prompt_ids` end inside thoughts."""
    return bool(turn_layout(tokenizer).opening)


def render(tokenizer: "Tokenizer", example: Example, max_length: int) -> Rendered:
    """Return a training example as token ids; an answer that exceeds `max_length` tokens is cut at its end.

    It is what the template writes for the chat, up to the end token of the answer's turn.

    Raises:
        DataError: the prompt alone fills `max_length`, so that no answer token is left to learn.
    """
    prompt = answer_prompt_ids(
        tokenizer, example.instruction, example.system, example.history, example.answer
    )
    answer = (*answer_ids(tokenizer, example.answer), end_token_id(tokenizer))
    room = max_length - len(prompt)
    if room < 1:
        raise DataError(
            f"training.max_length: must leave room for an answer after a prompt of {len(prompt)} tokens "
            f"({example.instruction[:60]!r}), got {max_length}"
        )
    return Rendered(prompt, answer[:room])


def render_all(tokenizer: "Tokenizer", examples: Sequence[Example], max_length: int) -> list[Rendered]:
    """Return `render` of each example. Raises DataError as it does."""
    return [render(tokenizer, example, max_length) for example in examples]


@lru_cache(maxsize=8)
def end_token_id(tokenizer: "Tokenizer") -> int:
    """Return the token with which the template ends an assistant turn; without one, the tokenizer's EOS.

    It need not be named in the tokenizer's configuration: those of Phi-3, Gemma-3 and the first Llama-3 are
    not.

    Raises:
        ModelError: the tokenizer has neither.
    """
    end = turn_layout(tokenizer).end.lstrip()
    for token_id in tokenizer.encode(end, add_special_tokens=False) if end else ():
        is_token = token_id in tokenizer.added_tokens_decoder or token_id in tokenizer.all_special_ids
        if is_token and not str(tokenizer.convert_ids_to_tokens(token_id)).isspace():
            return int(token_id)
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"model.path: {tokenizer.name_or_path} has no end token, so generation would never stop"
        )
    return int(tokenizer.eos_token_id)


def _prompt_text(
    tokenizer: "Tokenizer",
    instruction: str,
    system: str | None,
    history: Sequence[Exchange],
    hide: Callable[[str], str],
) -> str:
    said = [*(text for exchange in history for text in exchange), instruction]
    if system is not None and not knows_system(tokenizer):
        said[0] = f"{system}\n\n{said[0]}"
    turns = [
        {"role": "assistant" if index % 2 else "user", "content": hide(text)}
        for index, text in enumerate(said)
    ]
    if system is not None and knows_system(tokenizer):
        turns.insert(0, {"role": "system", "content": hide(system)})
    return render_chat(tokenizer, turns, add_generation_prompt=True)


@lru_cache(maxsize=8)
def _controls(tokenizer: "Tokenizer") -> ControlTokens:
    if not tokenizer.chat_template:
        return control_tokens(tokenizer, "", ())
    layout = turn_layout(tokenizer)
    return control_tokens(tokenizer, layout.written, layout.thought_marks)


@lru_cache(maxsize=8)
def _kept_tokens(tokenizer: "Tokenizer") -> dict[int, str]:
    """Return the special tokens, by id, that are marks of thoughts or part of one."""
    marks = turn_layout(tokenizer).thought_marks if tokenizer.chat_template else ()
    added = {index: token.content for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    channels = CHANNEL_TOKENS if CHANNEL in added.values() else ()
    return {
        index: name
        for index, name in added.items()
        if name in channels or any(name in mark for mark in marks)
    }
