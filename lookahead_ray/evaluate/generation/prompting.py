"""Greedy answers on one rank: its shard of the prompts, rendered, answered, and decoded to text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lookahead_ray.config.defence import DefenceConfig
from lookahead_ray.data.chat import end_token_id, prompt_ids
from lookahead_ray.evaluate.generation.generate import end_token_ids, generate
from lookahead_ray.method.reporting import Writing
from lookahead_ray.method.safety_mix import inference_system

Ids = tuple[int, ...]


@dataclass(frozen=True)
class PromptRunner:
    """Rendering and generation shared by all passes of an evaluation on one rank."""

    tokenizer: Any
    batch_size: int  # prompts answered at once
    defence: DefenceConfig
    rank: int
    world_size: int

    def shard(self, items: Sequence[Any]) -> list[Any]:
        """Return this rank's shard: item i goes to rank i mod world size."""
        return list(items[self.rank :: self.world_size])

    def render(self, request: str, system: str | None) -> Ids:
        """Return token ids up to the answer's start, with a defence's safety prompt prepended to `system`."""
        return prompt_ids(self.tokenizer, request, inference_system(system, self.defence))

    def generate(
        self,
        model: Any,
        prompts: Sequence[Ids],
        limits: int | Sequence[int],
        progress: Callable[[Writing], None] | None = None,
    ) -> list[Ids]:
        """Return greedy answers without end tokens.

        Equal prompts with equal limits share one answer, such as two prefills that contain a whole short
        opening. `limits` and `progress` are as for `generate.generate`.

        Raises:
            ModelError: a prompt and its answer may be longer than the model's context.
        """
        each = [limits] * len(prompts) if isinstance(limits, int) else limits
        asked = list(zip(prompts, each, strict=True))
        distinct = list(dict.fromkeys(asked))
        answers = generate(
            model,
            [prompt for prompt, _ in distinct],
            max_new_tokens=[limit for _, limit in distinct],
            batch_size=self.batch_size,
            end_ids=end_token_ids(model, end_token_id(self.tokenizer)),
            pad_id=self.tokenizer.pad_token_id,
            progress=progress,
        )
        found = dict(zip(distinct, map(tuple, answers), strict=True))
        return [found[pair] for pair in asked]

    def generate_text(
        self,
        model: Any,
        prompts: Sequence[Ids],
        limits: int | Sequence[int],
        progress: Callable[[Writing], None] | None = None,
    ) -> list[str]:
        """Return the answers of `generate` as text without special tokens."""
        answers = self.generate(model, prompts, limits, progress)
        return [self.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
