"""Loaded safety suites, and the selection of prompts from them.

A harmful prompt, as data:

    SafetyPrompt(id="harmful-001", category="fraud", prompt="Draft a …", opening="Subject: …")
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

from lookahead_ray.errors import DataError

OPENING_CHARACTERS = 400
"""Maximum length of an opening: far more than any prefill uses, far less than a harmful answer."""


@dataclass(frozen=True, slots=True)
class SafetyPrompt:
    """One request.

    `id` is unique in its suite and the same at every load of the same file, whatever sizes are set.
    `category` groups rates; it is "" if the suite has none.
    `opening` contains the first words of an answer that would comply; attacks prefill its first tokens, and
    early-token KL is measured along it. It is "" for benign requests and if none is known.
    """

    id: str
    category: str
    prompt: str
    opening: str = ""


@dataclass(frozen=True, slots=True)
class SafetySuite:
    """Harmful requests and benign look-alikes of one suite; either may be empty, never both.

    Raises DataError if there is no prompt or an id occurs twice.
    """

    name: str
    harmful: tuple[SafetyPrompt, ...]
    benign: tuple[SafetyPrompt, ...]

    def __post_init__(self) -> None:
        if not self.harmful and not self.benign:
            raise DataError(f"safety suite {self.name}: must hold at least one prompt, got none")
        seen: set[str] = set()
        for prompt in (*self.harmful, *self.benign):
            if prompt.id in seen:
                raise DataError(f"safety suite {self.name}: ids must differ, got {prompt.id!r} twice")
            seen.add(prompt.id)

    @property
    def data_hash(self) -> str:
        """Return the SHA-256 over all prompts, ids and openings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def has_openings(self) -> bool:
        """Return whether there are harmful requests, each with an opening, as prefill attacks and KL need."""
        return bool(self.harmful) and all(prompt.opening for prompt in self.harmful)

    def require_openings(self, purpose: str) -> None:
        """Raise DataError unless `has_openings`; `purpose` is a short name of the feature that needs them."""
        if not self.has_openings:
            missing = sum(not prompt.opening for prompt in self.harmful)
            rule = f"{purpose} needs an opening for each harmful prompt"
            raise DataError(
                f"safety suite {self.name}: {rule}, got {missing} of {len(self.harmful)} without one"
            )


class HasCategory(Protocol):
    """A prompt with a category."""

    @property
    def category(self) -> str: ...


Prompt = TypeVar("Prompt", bound=HasCategory)


def take_evenly(prompts: Sequence[Prompt], limit: int | None) -> tuple[Prompt, ...]:
    """Return the first `limit` prompts, taken in turn from each category, in file order; all if None."""
    turn: dict[str, int] = {}
    ranked = []
    for index, prompt in enumerate(prompts):
        ranked.append((turn.setdefault(prompt.category, 0), index))
        turn[prompt.category] += 1
    kept = sorted(index for _, index in sorted(ranked)[:limit])
    return tuple(prompts[index] for index in kept)


def cut_opening(text: str | None) -> str:
    """Return the first OPENING_CHARACTERS, so that no whole harmful answer is kept; "" for None."""
    return (text or "")[:OPENING_CHARACTERS]
