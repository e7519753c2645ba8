"""The description of a trial's work, as a value."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # pydantic takes a quarter of a second, and readers of a run do not need it
    from collections.abc import Sequence

    from lookahead_ray.config.search import ElasticConfig
    from lookahead_ray.evaluate.judges.call_quota import CallQuota
    from lookahead_ray.evaluate.results import Generation

Role = Literal["seed", "vanilla", "search", "repeat", "evaluate"]
"""`repeat`: a search trial, or vanilla, with another random seed."""


@dataclass(frozen=True, slots=True)
class Saving:
    """The directory to which rank 0 writes the trained model, and the form in which it does."""

    directory: str  # exists already, on a disk that rank 0 and the driver share
    adapter: bool  # write only the LoRA adapter, not merged into the weights


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The location of a running trial's checkpoints, and the interval at which they are written."""

    place: str  # one per trial: a directory that all machines share, or a URL
    every_epochs: int
    elastic: bool = False  # fewer ranks can resume from them, under ZeRO 1 and 2
    at_once: int = 1  # trials that may write theirs to the same disk at the same time


class ChooseShare(Protocol):
    """A rule by which the shares of a merge are chosen, each from the measurements before."""

    def next_share(self, measured: "Sequence[tuple[float, Sequence[Generation]]]") -> float | None:
        """Return the share to measure next, given all shares so far with their answers; None to end."""


class EndMeasuring(Protocol):
    """A rule by which the measuring of a point ends before all its prompts are asked."""

    @property
    def looks(self) -> "Sequence[float]":
        """Return the ascending shares of the prompts, in 0..1, after which it is asked."""

    def reason_to_end(self, look: int, generations: "Sequence[Generation]") -> str | None:
        """Return in words why measuring ends after this look, from 0, given all answers so far; or None."""


@dataclass(frozen=True, slots=True)
class Job:
    """The work of one trial; the search creates the job, the worker group runs it."""

    trial_id: str
    role: Role
    config: dict[str, Any]  # the resolved TrialConfig as JSON values
    params: dict[str, Any]  # sampled dimensions: name -> value
    label: str
    saving: Saving | None = None  # None: the trained weights are not kept
    checkpoints: Checkpoints | None = None  # None: a restarted trial trains from the beginning
    elastic: "ElasticConfig | None" = None  # None: the trial waits for all its ranks
    hang_minutes: float | None = None  # without progress, after which its ranks count as dead; None: never
    quota: "CallQuota | None" = None  # counts the calls of paid judges in the run; None: per trial
    choose_share: ChooseShare | None = None  # for a merge with the share `auto`
    end_measuring: EndMeasuring | None = None  # None: every point is measured whole
    may_stop: bool = False  # whether the trial waits after each epoch for the driver's decision

    @property
    def trains(self) -> bool:
        """Return whether the model is trained; the roles `seed` and `evaluate` measure it unchanged."""
        return self.role not in ("seed", "evaluate")
