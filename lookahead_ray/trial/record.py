"""The record of a trial: plain frozen values, without torch, Ray or Arrow.

The store converts records to tables; `analysis/` reads only the tables. Every rate in a `TrialRecord` can be
recomputed from its `generations`: it is over the rows of its metric that share suite, attack and judge with
the first row (see evaluate/rates.py).

A sweep keeps committed records in memory without texts (`TextStripper`): one trial's answers, steps and KL
values take about a megabyte; its verdicts alone take a few kilobytes, as trials share equal rows. The tables
hold everything.
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
"""`repeat`: a search trial, or vanilla, with another random seed."""
Status = Literal["completed", "stopped", "failed"]


@dataclass(frozen=True)
class TrialRecord:
    """The complete record of one trial. Times in seconds, rates in 0..1, KL in nats, FLOPs as counts."""

    sweep_id: str
    trial_id: str
    role: Role
    status: Status
    config: dict[str, Any]  # the resolved TrialConfig as JSON values
    config_hash: str
    params: dict[str, Any]  # sampled dimensions: name -> value
    started_at: str  # ISO 8601, UTC
    error: str | None = None
    objective: float | None = None  # scalar score of `weighted` and `floor`; None if it cannot be scored
    objectives: tuple[float, ...] = ()  # values that the search maximises, relative to the references
    constraint: float | None = None  # `floor` minus safety: at most 0 if the floor is met
    safety: float | None = None  # the objective's weighted mean of rates
    rsr: Rate | None = None
    jsr: Rate | None = None
    over_refusal: Rate | None = None
    utility: Rate | None = None
    kl: tuple[float, ...] = ()  # mean over prompts, one value per position
    workers: int | None = None  # number of ranks that trained
    zero_stage: int | None = None  # stage that the DeepSpeed engine reports; None for untrained models
    train_tokens: int | None = None  # tokens processed in training, with prompts, without padding
    flops: float | None = None  # of training, including the seed model's preparation for it
    seconds_train: float | None = None
    seconds_evaluate: float | None = None
    seconds_total: float | None = None
    data_hash: str | None = None
    model_hash: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    preparation: dict[str, float] = field(default_factory=dict)  # counts of examples, seconds, parts of flops
    restarts: int = 0  # number of times its processes died and it was restarted
    steps: tuple[Step, ...] = ()
    signals: tuple[Signal, ...] = ()
    generations: tuple[Generation, ...] = ()
    token_kl: tuple[TokenKl, ...] = ()


def utc_now() -> str:
    """Return the current time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class TextStripper:
    """A reducer of records; all records of one stripper share equal rows."""

    def __init__(self) -> None:
        self._rows: dict[Generation, Generation] = {}

    def strip_texts(self, record: TrialRecord) -> TrialRecord:
        """Return the record without steps, and its generations without prompts and answers.

        Only vanilla keeps `token_kl`, which shows the prompts on which KL was measured.
        """
        bare = (replace(row, prompt="", suffix="", prefill="", answer="") for row in record.generations)
        return replace(
            record,
            steps=(),
            generations=tuple(self._rows.setdefault(row, row) for row in bare),
            token_kl=record.token_kl if record.role == "vanilla" else (),
        )
