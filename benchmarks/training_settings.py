"""The work of the training benchmark and the names of its peers. No torch."""

from dataclasses import dataclass
from typing import Any

from benchmarks.common import Variant

TRL = Variant("trl", "TRL SFTTrainer, its defaults")
TRL_BEST = Variant("trl_best", "TRL SFTTrainer, best settings")
TRAINER = Variant("trainer", "transformers Trainer")


@dataclass(frozen=True)
class TrainingSettings:
    """The work, equal for all variants; the first of `steps` optimiser updates warms up and is not timed.

    `precision` is `bf16`, `fp32`, or `both` to measure every variant in each; `auto` must be resolved first.
    """

    batch_size: int = 16
    micro_batch_size: int = 8
    steps: int = 9
    learning_rate: float = 1e-4
    max_length: int = 512
    threads: int = 2  # of all ranks together
    device: str = "cpu"
    precision: str = "auto"
    seed: int = 0
    data: str | None = None  # a JSONL file with GSM8K's fields instead of generated word problems
    peer: dict[str, Any] | None = None  # settings of TRL that `training_search` tries

    @property
    def examples(self) -> int:
        """Number of training examples: one pass over them takes `steps` updates."""
        return self.batch_size * self.steps


ON_GPU = TrainingSettings(batch_size=512, micro_batch_size=256, device="cuda")
QUICK = TrainingSettings(batch_size=8, micro_batch_size=4, steps=3)
