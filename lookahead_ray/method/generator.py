"""The interface of greedy generation, for methods and evaluations; `evaluate.generation` implements it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from lookahead_ray.method.reporting import OnGeneration

Stop = Callable[[Sequence[int]], bool]
"""Function of an answer's tokens so far that returns whether the rest of the answer is of no interest."""

STOP_EVERY = 8
"""Number of tokens after which a `Stop` is called again."""


class Generator(Protocol):
    """Greedy generation with one model, as its weights are at each call."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        limits: int | Sequence[int],
        progress: OnGeneration | None = None,
        stops: Sequence[Stop | None] | None = None,
        drafts: Sequence[Sequence[int]] | None = None,
    ) -> list[list[int]]:
        """Return an answer for each prompt, as token ids without the end token, in the order of `prompts`.

        Args:
            prompts: token ids up to where the answer begins; their number and lengths may differ.
            limits: maximum tokens of each answer, its end token included; one number sets the same for all.
            progress: called with the progress after each forward pass.
            stops: one for each prompt, or None; an answer ends after the first multiple of `STOP_EVERY`
                tokens for which its function returns True.
            drafts: one for each prompt, such as a similar model's answer; they make the same answers faster
                where they agree with them, and may be empty.

        Raises:
            ModelError: a prompt and its answer together may be longer than the model's context.
        """
        ...
