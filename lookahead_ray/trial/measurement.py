"""The measurement of a trial by its ranks. This module does not import torch, because queues and the driver
unpickle its class too."""

from dataclasses import dataclass, field
from importlib.metadata import version

from lookahead_ray.evaluate.results import Generation, Signal, TokenKl
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
"""Packages whose versions affect results."""


@dataclass(frozen=True)
class Measurement:
    """The result of a job, from rank 0. Times in seconds, FLOPs as counts.

    Of a training whose merge has several shares, it is that of the first one, and `further` holds the others.
    What the training cost is in the first one only, so that sums count it once: of the others `train_tokens`
    and `flops` are 0 and `seconds_train` is the time of their merge, and they have no steps and no signals.

    A field that has the name of a column of the table `trials` is stored in that column.
    """

    workers: int  # number of ranks that trained
    zero_stage: int | None  # stage that the DeepSpeed engine reports; None for untrained models
    train_tokens: int  # tokens processed in training, with prompts, without padding
    flops: float  # of training, including the seed model's preparation for it
    seconds_train: float
    seconds_evaluate: float  # measurements between epochs included
    data_hash: str  # content hash of the task, the suites and the examples mixed in
    model_hash: str  # content hash of the seed model
    versions: dict[str, str]  # package name -> version
    preparation: dict[str, float] = field(default_factory=dict)  # counts of examples, seconds, parts of flops
    harness: dict[str, dict[str, float]] = field(default_factory=dict)
    """Task and metric of `lm-eval` -> value, low, high and n; no low and high where it gives no error."""
    stopped: bool = False  # before its last epoch, and so not evaluated
    asked: int | None = None  # prompts that were answered, each attack counted; None: in an older run
    ended_because: str | None = None  # why the others were not asked; None: all were, or training stopped
    outage: str | None = None  # why answers are unjudged, in one line
    steps: tuple[Step, ...] = ()  # in order
    signals: tuple[Signal, ...] = ()  # in order
    generations: tuple[Generation, ...] = ()  # in the configuration's order
    token_kl: tuple[TokenKl, ...] = ()  # in the configuration's order
    merge_share: float | None = None  # of a merge that has several
    further: "tuple[Measurement, ...]" = ()  # of the same training with the merge's other shares, in order


def versions() -> dict[str, str]:
    """Return the installed versions of `PACKAGES`."""
    return {name: version(name) for name in PACKAGES}
