"""The base class of generation backends, and the settings that they share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch

from lookahead_ray.data.chat import end_token_id
from lookahead_ray.evaluate.generation.free_memory import fitting_batch
from lookahead_ray.method.generator import STOP_EVERY, Stop
from lookahead_ray.method.reporting import OnGeneration
from lookahead_ray.model.load import check_length

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class DecodingSettings:
    """Settings of greedy generation that are the same for all calls."""

    batch_size: int  # maximum number of sequences that are generated at once
    end_ids: frozenset[int]  # tokens that end an answer
    pad_id: int

    @classmethod
    def of(
        cls, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", batch_size: int
    ) -> "DecodingSettings":
        """Return the settings for a model and its tokenizer (see `end_token_ids`)."""
        return cls(batch_size, end_token_ids(model, end_token_id(tokenizer)), tokenizer.pad_token_id)


class Backend(ABC):
    """A way to generate greedily with one model; implements `method.generator.Generator`.

    A subclass implements `supports` and `answers` and is listed in `registry.BACKENDS`. An object is created
    for each pass over a model, after the last change of its weights, so it may copy them.
    """

    only_by_name: ClassVar[bool] = False  # `auto` never chooses it

    def __init__(self, model: "PreTrainedModel", settings: DecodingSettings) -> None:
        self.model = model
        self._settings = self.settings = settings  # as configured, and with a batch that fits
        self._stops: Sequence[Stop | None] = ()  # of the current call, in the order of `answers`
        self._checked: list[int] = []  # length of each answer at the last call of its stop
        self._drafts: Sequence[Sequence[int]] = ()  # of the current call, in the order of `answers`

    @staticmethod
    @abstractmethod
    def supports(model: "PreTrainedModel") -> bool:
        """Return whether this backend can generate with `model` on the model's device; it may be tried."""

    @staticmethod  # noqa: B027  # optional
    def release() -> None:
        """Free what the backend keeps between passes, before a training; most keep nothing."""

    @abstractmethod
    def answers(
        self, prompts: Sequence[Sequence[int]], limits: Sequence[int], progress: OnGeneration | None
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield (index of the prompt, answer without the end token), once for each prompt, in any order.

        Args:
            prompts: token ids, sorted by length with their drafts; they fit into the model's context with
                their answers.
            limits: maximum tokens of each answer, its end token included; at least 1.
            progress: if not None, called after each forward pass.
        """

    def may_stop(self, index: int, answer: Sequence[int]) -> bool:
        """Return whether the answer to prompt `index` of `answers` may end here, before its limit.

        A backend calls this after each token to save work; `generate` cuts the answers of one that doesn't.
        """
        stop = self._stops[index]
        if stop is None or len(answer) % STOP_EVERY:
            return False
        self._checked[index] = len(answer)
        return stop(answer)

    def draft(self, index: int) -> Sequence[int]:
        """Return tokens that the answer to prompt `index` of `answers` may begin with, fewer than its limit.

        A backend may compute all of them in one pass and keep those that the model itself would generate.
        """
        return self._drafts[index]

    def extend(self, index: int, answer: list[int], limit: int, tokens: Sequence[int]) -> tuple[int, bool]:
        """Append new tokens to the answer to prompt `index` of `answers`, until it ends.

        Returns:
            How many tokens were taken, an end token included, and whether the answer has ended.
        """
        for taken, token in enumerate(tokens, start=1):
            if token in self.settings.end_ids:
                return taken, True
            answer.append(token)
            if len(answer) == limit or self.may_stop(index, answer):
                return taken, True
        return len(tokens), False

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        limits: int | Sequence[int],
        progress: OnGeneration | None = None,
        stops: Sequence[Stop | None] | None = None,
        drafts: Sequence[Sequence[int]] | None = None,
    ) -> list[list[int]]:
        """Return an answer for each prompt, as `method.generator.Generator` defines it.

        Raises:
            ModelError: a prompt and its answer together may be longer than the model's context.
        """
        limits = [limits] * len(prompts) if isinstance(limits, int) else limits
        for prompt, limit in zip(prompts, limits, strict=True):
            what = f"{len(prompt)} tokens of prompt and {limit} new ones are"
            check_length(self.model, len(prompt) + limit, what)
        wanted = [index for index, limit in enumerate(limits) if limit]
        begun = [
            draft[: limit - 1] for draft, limit in zip(drafts or [()] * len(limits), limits, strict=True)
        ]
        order = sorted(wanted, key=lambda index: len(prompts[index]) + len(begun[index]))
        found: list[list[int]] = [[] for _ in prompts]
        longest = max((len(prompts[index]) + limits[index] for index in wanted), default=0)
        size = fitting_batch(self.model, self._settings.batch_size, longest)
        self.settings = replace(self._settings, batch_size=size)
        self._stops = [stops[index] if stops else None for index in order]
        self._checked = [0] * len(order)
        self._drafts = [begun[index] for index in order]
        answers = self.answers(
            [prompts[index] for index in order], [limits[index] for index in order], progress
        )
        for place, answer in answers:
            found[order[place]] = self._cut(place, answer)
        return found

    def _cut(self, place: int, answer: list[int]) -> list[int]:
        """Return the answer up to where it may stop, at the lengths that the backend did not check itself."""
        lengths = range(self._checked[place] + STOP_EVERY, len(answer), STOP_EVERY)
        return next((answer[:length] for length in lengths if self.may_stop(place, answer[:length])), answer)


def end_token_ids(model: "PreTrainedModel", end_token_id: int) -> frozenset[int]:
    """Return the template's end token and all end tokens in the model's generation configuration."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset([end_token_id, *(token for token in listed if token is not None)])
