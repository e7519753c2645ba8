"""Rendering of examples as token ids, with the tokenizer's own chat template.

Training and inference share `prompt_ids`, so the rendered training prefix equals the inference prompt token
for token; the answer is tokenised separately, as a model generates it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lookahead_ray.data.example import Example, Exchange
from lookahead_ray.errors import DataError, ModelError
from lookahead_ray.model import llama2

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

_PROBE_ANSWER = "x-answer-x"


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
    """Return the token ids of the conversation up to the point where the assistant's answer begins.

    If the template has no system role, the system prompt is prepended to the user's first turn.

    Args:
        history: turns of the user and the assistant before `instruction`.

    Raises:
        ModelError: the tokenizer has no chat template.
    """
    text = _prompt_text(tokenizer, instruction, system, history)
    return tuple(tokenizer.encode(text, add_special_tokens=False))


def answer_ids(tokenizer: "Tokenizer", answer: str) -> tuple[int, ...]:
    """Return the token ids of an answer or its beginning, without special tokens (no BOS, no end token)."""
    return tuple(tokenizer.encode(answer, add_special_tokens=False))


def start_answer_with(tokenizer: "Tokenizer", prompt: Sequence[int], start: Sequence[int]) -> tuple[int, ...]:
    """Return the token ids of a prompt followed by `start` of its answer, which is tokenised separately.

    Under `model.protocol: paper` there is one space between them, as published: the template's is removed if
    the start is not empty, because the start has its own.
    """
    if start and llama2.ends_in_space(tokenizer, prompt):
        prompt = prompt[:-1]
    return (*prompt, *start)


def decode_answer(tokenizer: "Tokenizer", ids: Sequence[int]) -> str:
    """Return the text of an answer's token ids, without special tokens."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))


def render(tokenizer: "Tokenizer", example: Example, max_length: int) -> Rendered:
    """Return a training example as token ids; an answer that exceeds `max_length` tokens is cut at its end.

    Raises:
        DataError: the prompt alone fills `max_length`, so that no answer token is left to learn.
    """
    prompt = prompt_ids(tokenizer, example.instruction, example.system, example.history)
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

    Raises:
        ModelError: the tokenizer has neither.
    """
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": _PROBE_ANSWER}]
    text = _apply(tokenizer, turns, add_generation_prompt=False)
    tail = text.rpartition(_PROBE_ANSWER)[2].strip()
    ids = tokenizer.encode(tail, add_special_tokens=False) if tail else []
    if ids and ids[0] in tokenizer.all_special_ids:
        return int(ids[0])
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"model.path: {tokenizer.name_or_path} has no end token, so generation would never stop"
        )
    return int(tokenizer.eos_token_id)


def _prompt_text(
    tokenizer: "Tokenizer", instruction: str, system: str | None, history: Sequence[Exchange]
) -> str:
    said = [*(text for exchange in history for text in exchange), instruction]
    if system is not None and not _knows_system(tokenizer):
        said[0] = f"{system}\n\n{said[0]}"
    turns = [
        {"role": "assistant" if index % 2 else "user", "content": text} for index, text in enumerate(said)
    ]
    if system is not None and _knows_system(tokenizer):
        turns.insert(0, {"role": "system", "content": system})
    return _apply(tokenizer, turns, add_generation_prompt=True)


@lru_cache(maxsize=8)
def _knows_system(tokenizer: "Tokenizer") -> bool:
    from jinja2 import TemplateError

    turns = [{"role": "system", "content": "x-system-x"}, {"role": "user", "content": "x"}]
    try:
        return "x-system-x" in _apply(tokenizer, turns, add_generation_prompt=True)
    except TemplateError:
        return False


def _apply(tokenizer: "Tokenizer", turns: list[dict[str, str]], add_generation_prompt: bool) -> str:
    if not tokenizer.chat_template:
        raise ModelError(
            f"model.path: {tokenizer.name_or_path} has no chat template; a chat model is required"
        )
    return str(
        tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=add_generation_prompt)
    )
