"""What a tokenizer's chat template writes around an answer: read from the template, not from its text.

A chat is rendered whose answer is a sentinel. What stands before the sentinel is compared with the prompt of
a generation, and what follows it is the end of the turn:

    Qwen3     prompt "…assistant\\n", before the answer "…assistant\\n<think>\\n\\n</think>\\n\\n"
    R1        prompt "…<｜Assistant｜><think>\\n", before the answer "…<｜Assistant｜>"
    Harmony   prompt "…<|start|>assistant", before the answer "…<|start|>assistant<|channel|>final<|message|>"

So a template's prompt may open thoughts, and an answer without thoughts may stand elsewhere than right after
the prompt.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lookahead_ray.data.thoughts import CHANNEL, MARKS, Mark, first_mark, open_thoughts
from lookahead_ray.errors import ModelError
from lookahead_ray.model.chat_settings import ChatTurns, begin_chat, try_to_render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

_QUESTION, _ANSWER, _THOUGHTS, _SYSTEM = "x-question-x", "x-answer-x", "x-thoughts-x", "x-system-x"
_USER = {"role": "user", "content": _QUESTION}


@dataclass(frozen=True, slots=True)
class TurnLayout:
    """What a template writes around answers.

    Attributes:
        removed: end of a generation's prompt that is absent before an answer without thoughts.
        added: what stands between the rest of the prompt and such an answer.
        opening: end of a generation's prompt with which it opens thoughts; "" if it opens none.
        marks: the template's own marks of thoughts, besides `thoughts.MARKS`.
        end: text from an answer's end to the end of the chat.
        written: everything that the template writes around the texts of a chat.
    """

    removed: str
    added: str
    opening: str
    marks: tuple[Mark, ...]
    end: str
    written: str

    def before(self, answer: str, prompt: str) -> str:
        """Return a generation's prompt, as text, changed so that `answer` can follow."""
        mark = first_mark(answer, self.marks)
        if mark and mark.lower() in f"{self.opening}{self.added}".lower():
            return prompt.removesuffix(self.opening)  # the answer opens its thoughts itself
        return prompt.removesuffix(self.removed) + self.added

    @property
    def thought_marks(self) -> tuple[str, ...]:
        """Return all marks of thoughts that are known for the template."""
        return tuple(mark for pair in (*self.marks, *MARKS) for mark in pair)


@lru_cache(maxsize=8)
def turn_layout(tokenizer: "Tokenizer") -> TurnLayout:
    """Return what the tokenizer's chat template writes around answers.

    Raises:
        ModelError: the tokenizer has no chat template, or it refuses a question, with and without a system
            turn, or leaves the question out.
    """
    begun, prompt = begin_chat(tokenizer, _QUESTION, _SYSTEM)
    if _QUESTION not in prompt.lower():
        raise ModelError(
            f"model.path: the chat template of {tokenizer.name_or_path} leaves out the user's text, as those "
            "do that want a list of parts: set model.chat_template to one that writes content as text"
        )
    whole = try_to_render(tokenizer, [*begun, {"role": "assistant", "content": _ANSWER}])
    before, found, end = whole.rpartition(_ANSWER)
    if not found:  # the template leaves the answer out
        before, end = prompt, ""
    marks = _own_marks(tokenizer, begun, prompt, before)
    opened = open_thoughts(prompt, marks)
    same = _same_start(prompt, before)
    removed, added = prompt[same:], before[same:]
    if not _is_about_thoughts(removed, added, opened is not None, marks):
        removed = added = ""
    if opened and open_thoughts(prompt.removesuffix(removed) + added, marks):
        added += f"\n{opened[1]}\n\n"
    return TurnLayout(
        removed=removed,
        added=added,
        opening=prompt[prompt.lower().rindex(opened[0].lower()) :] if opened else "",
        marks=marks,
        end=end,
        written=f"{_without_texts(whole)}\n{_without_texts(prompt)}\n{_system_text(tokenizer)}",
    )


@lru_cache(maxsize=8)
def knows_system(tokenizer: "Tokenizer") -> bool:
    """Return whether the tokenizer's chat template has a system role."""
    return _SYSTEM in _system_text(tokenizer)


def _is_about_thoughts(removed: str, added: str, opened: bool, marks: tuple[Mark, ...]) -> bool:
    """Return whether the difference between a prompt and the text before an answer is that of thoughts.

    White space may differ too, and a template may write empty thoughts in prompts only; both are kept.
    """
    if removed.strip():
        return opened
    texts = [mark for pair in (*marks, *MARKS) for mark in pair]
    return CHANNEL in added or any(text.lower() in added.lower() for text in texts)


def _own_marks(tokenizer: "Tokenizer", begun: ChatTurns, prompt: str, before: str) -> tuple[Mark, ...]:
    """Return what the template writes around an answer's thoughts, if it writes thoughts."""
    turn = {"role": "assistant", "content": _ANSWER, "reasoning_content": _THOUGHTS}
    head, found, tail = try_to_render(tokenizer, [*begun, turn]).partition(_THOUGHTS)
    closing, answered, _ = tail.partition(_ANSWER)
    if not (found and answered and closing.strip()):
        return ()
    opening = head[_same_start(prompt, head) :] or prompt[_same_start(prompt, before) :]
    return ((opening.strip(), closing.strip()),) if opening.strip() else ()


def _same_start(one: str, other: str) -> int:
    """Return the number of characters at the beginning in which both texts are the same."""
    pairs = zip(one, other, strict=False)
    shorter = min(len(one), len(other))
    return next((index for index, (a, b) in enumerate(pairs) if a != b), shorter)


def _system_text(tokenizer: "Tokenizer") -> str:
    return _without_question(try_to_render(tokenizer, [{"role": "system", "content": _SYSTEM}, _USER], True))


def _without_question(text: str) -> str:
    return text.replace(_QUESTION, "")


def _without_texts(text: str) -> str:
    return _without_question(text).replace(_ANSWER, "").replace(_SYSTEM, "")
