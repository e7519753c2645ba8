"""The work of the generation benchmark and what a peer can be told. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common import Variant
from benchmarks.peer_search import Options
from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED

PLAIN_BEST = Variant("plain_best", "the fastest of Transformers' and vLLM's ways")
GENERATE_BEST = Variant("generate_best", "model.generate at its best batch")
IDENTITY = "identity"

GENERATE, GENERATE_BATCH, VLLM = "model.generate", "generate_batch", "vllm"
"""Ways of a peer to generate: static batches, Transformers' continuous batching, and vLLM."""
START: Options = {"way": GENERATE, "batch_size": 64, "sorted": False, "attention": "sdpa"}
"""The options that the search for a peer's best begins with; `sorted` prompts by length need less padding."""


@dataclass(frozen=True)
class GenerationSettings:
    """Prompts and lengths, equal for all variants. The defaults are a trial's evaluation of an aligned model.

    `precision` is `bf16`, `fp32`, or `both` to measure every variant in each; `auto` must be resolved first.
    """

    name: str = "generation"
    model: str = EMBEDDED
    harmful_prompts: int = 64
    task_prompts: int = 32
    max_new_tokens: int = 192  # a third of the solutions and few other answers reach this length
    identity_prompts: int = 16  # compared token by token in fp32, at batch 16
    threads: int = 2
    device: str = "cpu"
    precision: str = "auto"
    seed: int = 0
    peer: dict[str, Any] | None = None  # settings of a peer, such as `START`


FULL_LENGTH = GenerationSettings(
    name="generation_full_length", model=EMBEDDED_UNALIGNED, max_new_tokens=64
)  # hardly an answer ends earlier, so skipping ended rows gains nothing here
QUICK = GenerationSettings(harmful_prompts=12, task_prompts=6, max_new_tokens=8, identity_prompts=4)


def counted_tokens(answer: Sequence[int], max_new_tokens: int) -> int:
    """Return the number of generated tokens, the end token included if there is one."""
    return min(len(answer) + 1, max_new_tokens)


def until_end(row: Sequence[int], end_ids: frozenset[int]) -> list[int]:
    """Return the tokens before the first end token."""
    return list(row[: next((i for i, token in enumerate(row) if token in end_ids), len(row))])
