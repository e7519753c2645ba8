"""What a trial's ranks measured together. No torch in here: queues and the driver unpickle it too."""

from dataclasses import dataclass, field
from importlib.metadata import version

from lookahead_ray.evaluate.generation import Generation, Signal, TokenKl
from lookahead_ray.train.step import Step

PACKAGES = (
    "ray",
    "torch",
    "transformers",
    "deepspeed",
    "peft",
    "datasets",
    "optuna",
    "pyarrow",
    "lookahead-ray",
)
"""Whose versions decide what comes out."""


@dataclass(frozen=True)
class Measurement:
    """Rank 0's answer to a job."""

    workers: int
    zero_stage: int | None
    train_tokens: int
    flops: float
    seconds_train: float
    seconds_evaluate: float
    data_hash: str
    model_hash: str
    versions: dict[str, str]
    preparation: dict[str, float] = field(default_factory=dict)
    stopped: bool = False  # before its last epoch, and so not evaluated
    steps: tuple[Step, ...] = ()
    signals: tuple[Signal, ...] = ()
    generations: tuple[Generation, ...] = ()
    token_kl: tuple[TokenKl, ...] = ()


def versions() -> dict[str, str]:
    """Of `PACKAGES`, as installed here."""
    return {name: version(name) for name in PACKAGES}
