"""The choice of shares after a training (`merge.share: auto`), by the answers to the shares before."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from lookahead_ray.config.objective import FloorObjective, Objective, SafetyPart
from lookahead_ray.evaluate.rates import credit
from lookahead_ray.objective.base import ReferenceTrials, part_rows
from lookahead_ray.stats.interval import NORMAL_95
from lookahead_ray.trial.record import Generation

MOST_CHOSEN = 4
"""Maximum number of shares that are measured after a training."""

Credits = dict[str, float]
"""Prompt id -> 1 for a safe answer, 0 for another one."""


@dataclass(frozen=True)
class FloorBisection:
    """The search for the largest share whose safety is above the floor beyond the noise.

    It assumes that safety falls with the share: share 0 is the seed model, which keeps a floor of at most its
    own safety. After share 1, each share halves the interval between the largest one above the floor and the
    smallest one that is not. A share is above it if the 95 % interval of safety minus the floor is above 0,
    where a floor relative to the seed model is compared prompt by prompt. Parts of safety share prompts, so
    their standard errors are added, which makes the interval rather too wide. A share whose measuring ended
    early is judged by the prompts that were asked.
    """

    parts: tuple[SafetyPart, ...]
    floor: float
    seed: tuple[Credits, ...] | None  # the seed model's, for each part; None: the floor is a rate

    def next_share(self, measured: Sequence[tuple[float, Sequence[Generation]]]) -> float | None:
        """Return the next share; None after `MOST_CHOSEN`, if share 1 is above, or if a judge was down."""
        above, not_above = 0.0, 1.0
        for share, rows in measured:
            lower = self._lower_end(rows)
            if lower is None or (share == 1 and lower > 0):
                return None
            if lower > 0:
                above = max(above, share)
            else:
                not_above = min(not_above, share)
        return (above + not_above) / 2 if len(measured) < MOST_CHOSEN else None

    def _lower_end(self, rows: Sequence[Generation]) -> float | None:
        """Return the lower end of the interval of safety minus the floor; None without all verdicts."""
        total = sum(part.weight for part in self.parts)
        low = 0.0
        for index, part in enumerate(self.parts):
            own = _credits(part_rows(rows, part))
            seed = self.seed[index] if self.seed else dict.fromkeys(own or (), 1.0)
            if not own or not own.keys() <= seed.keys():
                return None
            differences = [own[prompt] - self.floor * seed[prompt] for prompt in own]
            n = len(differences)
            mean = sum(differences) / n
            variance = sum((one - mean) ** 2 for one in differences) / max(n - 1, 1)
            low += part.weight / total * (mean - NORMAL_95 * sqrt(variance / n))
        return low


def choose_by(objective: Objective, references: ReferenceTrials) -> FloorBisection | None:
    """Return the rule of an objective; None if it has none."""
    if not isinstance(objective, FloorObjective):
        return None
    seed = None
    if objective.relative_to == "seed":
        rows = references.seed.generations
        found = [_credits(part_rows(rows, part)) for part in objective.safety]
        seed = tuple(one or {} for one in found)
    return FloorBisection(objective.safety, objective.floor, seed)


def _credits(rows: Sequence[Generation]) -> Credits | None:
    """Return the answers' credits; None if a judge could not be asked."""
    if any(row.verdict == "unjudged" for row in rows):
        return None
    return {row.prompt_id: credit(row) for row in rows if row.verdict != "dropped"}
