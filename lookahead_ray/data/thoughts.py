"""The thoughts of reasoning models, and the answer that follows them.

    "<think>\\nThe user wants …\\n</think>\\n\\nI can't help."  →  Reply("The user wants …", "I can't help.")
    "Sure."                                                →  Reply(None, "Sure.")
    "<think>\\nThe user wants"                              →  Reply("The user wants", "")

Thoughts stand at the beginning, or on lines of their own further on. If the prompt opened them, an answer
begins inside; so does a stored text in which they are closed but nowhere opened.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

Mark = tuple[str, str]
"""What opens thoughts, and what closes them."""

MARKS: tuple[Mark, ...] = (
    *((f"<{name}>", f"</{name}>") for name in ("think", "thinking", "thought", "thoughts", "reasoning")),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|think|>", "<|/think|>"),
    ("◁think▷", "◁/think▷"),
)
"""Marks of published models; upper and lower case are the same."""

ONLY_FIRST: tuple[Mark, ...] = (
    *((f"<{name}>", f"</{name}>") for name in ("reason", "analysis", "reflection", "scratchpad")),
    ("Here is my thought process:", "Here is my response:"),
)
"""Marks that also occur in answers, so they count only at the beginning of a text."""

WRAPPERS: tuple[Mark, ...] = (
    *((f"<{name}>", f"</{name}>") for name in ("answer", "response", "solution", "output")),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
)
"""Marks around an answer after thoughts; they are no part of it."""

CHANNEL = "<|channel|>"  # of OpenAI's Harmony format
CHANNEL_TOKENS = (
    "<|start|>",
    CHANNEL,
    "<|message|>",
    "<|constrain|>",
    "<|end|>",
    "<|call|>",
    "<|return|>",
)
_MESSAGE = re.compile(
    r"<\|channel\|>(?P<name>\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(?P<text>.*?)(?=<\|(?:end|start|return|call|channel)\|>|\Z)",
    re.DOTALL,
)
_FINAL = "final"


class Reply(NamedTuple):
    """A model's text in parts: `thoughts` is None without any; `answer` is "" if it never left them."""

    thoughts: str | None
    answer: str

    @property
    def is_unfinished(self) -> bool:
        """Return whether there are thoughts, but no answer."""
        return self.thoughts is not None and not self.answer.strip()


def split_thoughts(text: str, opened: bool = False, marks: Sequence[Mark] = ()) -> Reply:
    """Return the thoughts and the answer in a text of a model.

    Args:
        opened: whether the prompt opened the thoughts.
        marks: marks of the model, besides `MARKS`.
    """
    if CHANNEL in text and not opened:
        return _split_channels(text)
    openings, closings, first = _patterns((*marks, *MARKS))
    found: list[str] = []
    answer, rest = "", text
    closing = closings if opened or _is_closed_only(text, openings, closings) else None
    while True:
        if closing is not None:
            end = closing.search(rest)
            found.append(_without_opening(rest[: end.start()] if end else rest, first))
            rest = rest[end.end() :] if end else ""
        start = (None if found else first.match(rest)) or openings.search(rest)
        if start is None:
            break
        answer += rest[: start.start()]
        rest = rest[start.end() :]
        closing = _closing_of(start["mark"], marks)
    if not found:
        return Reply(None, text)
    return Reply("\n\n".join(found), _trimmed(answer + rest))


def without_thoughts(text: str, marks: Sequence[Mark] = ()) -> str | None:
    """Return the answer in a text of a model, as `split_thoughts`; None if it never leaves its thoughts."""
    reply = split_thoughts(text, marks=marks)
    return None if reply.is_unfinished else reply.answer


def scored_part(reference: str) -> str:
    """Return the answer in a reference answer, with which a model's answer without its thoughts is compared.

    A reference that never leaves its thoughts is returned as it is. Data is checked before a model is known,
    so that a model's own marks do not count here.
    """
    answer = without_thoughts(reference)
    return reference if answer is None else answer


def open_thoughts(text: str, marks: Sequence[Mark] = ()) -> Mark | None:
    """Return the mark that `text` ends with if it opens thoughts; None if it opens none."""
    for mark in (*marks, *MARKS):
        if text.rstrip().lower().endswith(mark[0].lower()):
            return mark
    return None


def first_mark(text: str, marks: Sequence[Mark] = ()) -> str | None:
    """Return what opens the thoughts that a text begins with; None if it begins with an answer."""
    if text.startswith(CHANNEL):
        return CHANNEL
    start = _patterns((*marks, *MARKS))[2].match(text)
    return start["mark"] if start else None


@lru_cache(maxsize=32)
def _patterns(marks: tuple[Mark, ...]) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return patterns of an opening that begins a line, a closing, and an opening that begins a text."""

    def any_of(texts: Sequence[str]) -> str:
        return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))

    openings = any_of([opening for opening, _ in marks])
    firsts = any_of([opening for opening, _ in (*marks, *ONLY_FIRST)])
    return (
        re.compile(rf"^[ \t]*(?P<mark>{openings})", re.IGNORECASE | re.MULTILINE),
        re.compile(any_of([closing for _, closing in marks]), re.IGNORECASE),
        re.compile(rf"\s*(?P<mark>{firsts})", re.IGNORECASE),
    )


def _is_closed_only(text: str, openings: re.Pattern[str], closings: re.Pattern[str]) -> bool:
    """Return whether thoughts are closed in a text that has not opened them before."""
    end = closings.search(text)
    return end is not None and openings.search(text[: end.start()]) is None


def _without_opening(thoughts: str, first: re.Pattern[str]) -> str:
    start = first.match(thoughts)
    return (thoughts[start.end() :] if start else thoughts).strip()


def _closing_of(opening: str, marks: Sequence[Mark]) -> re.Pattern[str]:
    pairs = (*marks, *MARKS, *ONLY_FIRST)
    closing = next(closing for each, closing in pairs if each.lower() == opening.lower())
    return re.compile(re.escape(closing), re.IGNORECASE)


def _trimmed(answer: str) -> str:
    """Return an answer that follows thoughts without white space before it and without `WRAPPERS`."""
    answer = answer.lstrip()
    for opening, closing in WRAPPERS:
        if answer.lower().startswith(opening.lower()):
            answer = answer[len(opening) :].lstrip()
            if answer.rstrip().lower().endswith(closing.lower()):
                answer = answer.rstrip()[: -len(closing)].rstrip()
    return answer


def _split_channels(text: str) -> Reply:
    """Return the messages of the final channel as the answer, and those of all others as thoughts."""
    messages = list(_MESSAGE.finditer(text))
    thoughts = [message["text"].strip() for message in messages if message["name"] != _FINAL]
    answer = "".join(message["text"] for message in messages if message["name"] == _FINAL)
    before = text[: text.index(CHANNEL)].replace("<|start|>assistant", "").strip()
    return Reply("\n\n".join(thoughts) if thoughts else None, before + answer)
