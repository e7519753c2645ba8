"""The trainings until a search under a safety floor recommends as much utility, with and without shares."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from benchmarks.search.figures import Ratio, Spread, ratio, spread
from benchmarks.search.grid import Grid
from benchmarks.search.ours import Ours, Shares
from lookahead_ray.config.objective import FloorObjective
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.trial.record import TrialRecord

MOST = 0.5
"""Largest allowed ratio of the median numbers of trainings."""
PROCESSES = 2
VARIANTS: tuple[Shares, ...] = ("list", "none")


@dataclass(frozen=True, slots=True)
class Count:
    """Trainings to a recommendation of the utility, one number per random seed, references not counted.

    A random seed whose search ends before counts with all trainings.
    """

    values: tuple[int, ...]
    never: int  # number of random seeds whose search ended before
    spread: Spread


@dataclass(frozen=True, slots=True)
class FloorComparison:
    """Searches with shares compared with searches without."""

    floor: float
    utility: float | None
    """Utility that the search without shares recommends after all trainings; None if it recommends nothing,
    so that any recommendation counts."""
    best: float | None  # utility that the search with shares recommends after all trainings
    with_shares: Count
    without: Count
    ratio: Ratio
    met: bool


def compare(grid: Grid, seeds: int, floor: float = 0.9) -> FloorComparison:
    """Replay the product's search under a floor with random seeds from 0, both ways.

    After each training the product's `recommend` is applied to the results so far.
    """
    whole = [last_recommended(grid, shares, floor) for shares in VARIANTS]
    utility = whole[1]
    tasks = [(shares, seed) for shares in VARIANTS for seed in range(seeds)]
    count = partial(trainings_to, grid, floor, utility)
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        found = list(pool.map(count, *zip(*tasks, strict=True)))
    counts = [_count(part, len(grid.trainings)) for part in (found[:seeds], found[seeds:])]
    compared = ratio(counts[0].values, counts[1].values)
    return FloorComparison(
        floor=floor,
        utility=utility,
        best=whole[0],
        with_shares=counts[0],
        without=counts[1],
        ratio=compared,
        met=compared.value <= MOST,
    )


def trainings_to(grid: Grid, floor: float, utility: float | None, shares: Shares, seed: int) -> int | None:
    """Return the trainings until a configuration of at least this utility is recommended; None if never."""
    least = utility or 0.0
    for number, records in enumerate(_searched(grid, shares, floor, seed), start=1):
        if any(_utility(record) >= least and (record.constraint or 0) <= 0 for record in records):
            found = recommended_utility(records, floor)
            if found is not None and found >= least:
                return number
    return None


def last_recommended(grid: Grid, shares: Shares, floor: float) -> float | None:
    """Return the utility that is recommended after all trainings; None if nothing is."""
    *_, records = _searched(grid, shares, floor, seed=0)
    return recommended_utility(records, floor)


def recommended_utility(records: Sequence[TrialRecord], floor: float) -> float | None:
    """Return the utility of the recommended configuration, as a rate; None if none is recommended."""
    trial_id = recommend(records, FloorObjective(name="floor", floor=floor)).trial_id
    return next((_utility(record) for record in records if record.trial_id == trial_id), None)


def lines(found: FloorComparison) -> Iterator[str]:
    """Yield the result in sentences."""
    goal = "any utility" if found.utility is None else f"a utility of at least {found.utility:.1%}"
    yield f"trainings until a configuration with {goal} is recommended under a floor of {found.floor:g}:"
    for name, count in (("with shares", found.with_shares), ("without", found.without)):
        middle = count.spread
        yield (
            f"  {name}: median {middle.median:g}, quartiles {middle.q25:g} to {middle.q75:g}, "
            f"{count.never} of {len(count.values)} seeds never"
        )
    after = "nothing" if found.best is None else f"a utility of {found.best:.1%}"
    yield f"after all trainings, the search with shares recommends {after}"
    said = "met" if found.met else "NOT met"
    span = f"{found.ratio.value:.2f} [{found.ratio.low:.2f}, {found.ratio.high:.2f}]"
    yield f"{said}: shares need {span} of the trainings; the target is at most {MOST:g}"


def _searched(grid: Grid, shares: Shares, floor: float, seed: int) -> Iterator[Sequence[TrialRecord]]:
    """Yield the records of the search after each training."""
    ours = Ours(shares=shares, objective=FloorObjective(name="floor", floor=floor))
    return (step.records for step in ours.steps(grid.answered, seed))


def _utility(record: TrialRecord) -> float:
    return record.utility.value if record.role == "search" and record.utility else -1.0


def _count(found: Sequence[int | None], most: int) -> Count:
    values = tuple(most if number is None else number for number in found)
    return Count(values, list(found).count(None), spread(values))
