"""What a trial leaves behind: plain frozen values, no torch, no ray, no Arrow.

The store turns these into tables; `analysis/` reads only the tables. Every rate in a `TrialRecord` can be
computed again from its `generations`: it is over those rows of its metric which share suite, attack and judge
with the first one (see evaluate/rates.py).

A sweep keeps committed records without texts (`TextStripper`): objects of one trial's answers, steps and KL
values take a megabyte or so; its verdicts alone, equal rows of all trials being one object, a few kilobytes.
The tables hold everything.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from lookahead_ray.evaluate.results import COUNTED, Generation, Metric, Rate, Signal, TokenKl, Verdict
from lookahead_ray.train.step import Step

__all__ = [
    "COUNTED",
    "Generation",
    "Metric",
    "Rate",
    "Role",
    "Signal",
    "Status",
    "Step",
    "TokenKl",
    "TrialRecord",
    "Verdict",
    "utc_now",
]

Role = Literal["seed", "vanilla", "search", "repeat", "evaluate"]
"""`repeat`: a trial of the search, or vanilla, with another seed."""
Status = Literal["completed", "stopped", "failed"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial, whole. Times in seconds, rates in 0..1, KL in nats, FLOPs as counts."""

    sweep_id: str
    trial_id: str
    role: Role
    status: Status
    config: dict[str, Any]  # the resolved TrialConfig as JSON values
    config_hash: str
    params: dict[str, Any]  # sampled dimensions: name -> value
    started_at: str  # ISO 8601, UTC
    error: str | None = None
    objective: float | None = None  # the one number of `weighted` and `floor`; None if it cannot be scored
    objectives: tuple[float, ...] = ()  # what the search maximises, relative to the references
    constraint: float | None = None  # `floor` less the safety: at most 0 where the floor is kept
    safety: float | None = None  # the objective's weighted mean of rates
    rsr: Rate | None = None
    jsr: Rate | None = None
    over_refusal: Rate | None = None
    utility: Rate | None = None
    kl: tuple[float, ...] = ()  # mean over prompts, one value a position
    workers: int | None = None  # ranks that really trained
    zero_stage: int | None = None  # stage that the DeepSpeed engine reports; None for untrained models
    train_tokens: int | None = None  # tokens seen in training, prompts included, padding not
    flops: float | None = None  # of training, and of the seed model for it before
    seconds_train: float | None = None
    seconds_evaluate: float | None = None
    seconds_total: float | None = None
    data_hash: str | None = None
    model_hash: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    preparation: dict[str, float] = field(default_factory=dict)  # counts of examples, seconds, parts of flops
    restarts: int = 0  # how often its processes died and it went on
    steps: tuple[Step, ...] = ()
    signals: tuple[Signal, ...] = ()
    generations: tuple[Generation, ...] = ()
    token_kl: tuple[TokenKl, ...] = ()


def utc_now() -> str:
    """The time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class TextStripper:
    """Slims records one by one; those of one stripper share their rows."""

    def __init__(self) -> None:
        self._rows: dict[Generation, Generation] = {}

    def strip_texts(self, record: TrialRecord) -> TrialRecord:
        """The record without steps, and its generations without what was asked and answered.

        Only vanilla keeps its `token_kl`, which says on which prompts KL was measured.
        """
        bare = (replace(row, prompt="", suffix="", prefill="", answer="") for row in record.generations)
        return replace(
            record,
            steps=(),
            generations=tuple(self._rows.setdefault(row, row) for row in bare),
            token_kl=record.token_kl if record.role == "vanilla" else (),
        )
