"""Greedy answers on one rank: its shard of the prompts, rendered, answered, and decoded to text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, TypeVar

from lookahead_ray.config.defence import DefenceConfig
from lookahead_ray.data.chat import answer_prompt_ids, prompt_ids
from lookahead_ray.data.example import Exchange
from lookahead_ray.method.generator import Generator, Stop
from lookahead_ray.method.reporting import OnGeneration
from lookahead_ray.method.safety_mix import inference_system

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = tuple[int, ...]
Item = TypeVar("Item")


@dataclass(frozen=True)
class PromptRunner:
    """Rendering and generation shared by all passes of an evaluation on one rank."""

    tokenizer: "PreTrainedTokenizerBase"
    defence: DefenceConfig
    rank: int
    world_size: int

    def shard(self, items: Sequence[Item], length: Callable[[Item], int] | None = None) -> list[Item]:
        """Return this rank's shard, in the order of `items`: item i goes to rank i mod world size.

        With the expected `length` of each item, in any unit, the longest are dealt first, to and fro, so that
        all ranks get about the same work.
        """
        if length is None:
            return list(items[self.rank :: self.world_size])
        lengths = [length(item) for item in items]
        longest_first = sorted(range(len(items)), key=lambda index: -lengths[index])
        ranks = [*range(self.world_size), *reversed(range(self.world_size))]
        own = [index for rank, index in zip(cycle(ranks), longest_first, strict=False) if rank == self.rank]
        return [items[index] for index in sorted(own)]

    def render(self, request: str, system: str | None, history: Sequence[Exchange] = ()) -> Ids:
        """Return token ids up to the assistant's turn; a defence's safety prompt is prepended to `system`."""
        return prompt_ids(self.tokenizer, request, inference_system(system, self.defence), history)

    def render_start(
        self, request: str, system: str | None, history: Sequence[Exchange] = (), answer: str = ""
    ) -> Ids:
        """Return token ids up to a given `answer` or its beginning: outside thoughts, else as `render`."""
        system = inference_system(system, self.defence)
        return answer_prompt_ids(self.tokenizer, request, system, history, answer)

    def generate(
        self,
        generator: Generator,
        prompts: Sequence[Ids],
        limits: int | Sequence[int],
        progress: OnGeneration | None = None,
        stops: Sequence[Stop | None] | None = None,
        drafts: Mapping[Ids, Ids] | None = None,
    ) -> list[Ids]:
        """Return greedy answers without end tokens.

        Equal prompts with equal limits and stops share one answer, such as two prefills that contain a whole
        short opening. `limits`, `progress` and `stops` are as for `Generator.generate`; stops are hashable.
        `drafts` maps prompts to another model's answers; prompts may be missing.

        Raises:
            ModelError: a prompt and its answer may be longer than the model's context.
        """
        limits = [limits] * len(prompts) if isinstance(limits, int) else limits
        stops = stops or [None] * len(prompts)
        requests = list(zip(prompts, limits, stops, strict=True))
        distinct = list(dict.fromkeys(requests))
        answers = generator.generate(
            [prompt for prompt, _, _ in distinct],
            [limit for _, limit, _ in distinct],
            progress,
            [stop for _, _, stop in distinct],
            [drafts.get(prompt, ()) for prompt, _, _ in distinct] if drafts else None,
        )
        found = dict(zip(distinct, map(tuple, answers), strict=True))
        return [found[request] for request in requests]
