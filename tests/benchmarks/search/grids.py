"""Small synthetic grids, and their records."""

from dataclasses import replace
from functools import cache

from benchmarks.search.grid import Grid, make_grid
from lookahead_ray.config.search import StoppingConfig
from lookahead_ray.trial.record import TrialRecord
from tests.benchmarks.search.synthetic_grid import synthetic_grid

ABOUT = {"command": "sweep", "versions": "{}", "recorded": "2026", "space": "yaml"}


EAGER_STOPPING = StoppingConfig(grace_epochs=1, reduction=4, least_trials=2)

SMALL = (
    "preview={choice: [{strategy: none}, {strategy: true, length_tokens: {int: [1, 3]}}, "
    "{strategy: virtual, prefix: {choice: ['So, ', 'Well, ']}}]}",
    "training.learning_rate={choice: [6.0e-4, 1.2e-3]}",
    "training.epochs=4",
    "search.reference={training.learning_rate: 1.2e-3}",
)


SHARES = (
    SMALL[0],
    "training.learning_rate={choice: [1.2e-3]}",
    "training.epochs={int: [1, 2]}",
    "search.reference={training.epochs: 1}",
    "merge={share: [1.0, 0.75, 0.5]}",
)


@cache
def grid_of_shares(noise: float = 0.1) -> Grid:
    """Return a grid of 12 trainings with three shares each, with answers."""
    return synthetic_grid(0, noise, SHARES)


@cache
def grid() -> Grid:
    """Return a grid of 12 points."""
    return synthetic_grid(0, overrides=SMALL)


def records(whole: Grid) -> list[TrialRecord]:
    return [
        whole.seed,
        *whole.records,
    ]


def with_pairs(*pairs: tuple[float, float]) -> Grid:
    """Return the first points of the synthetic grid with these safeties and utilities, 100 tokens each;
    vanilla has (0.5, 1) for 10 tokens.
    """
    whole = grid()
    others = [record for record in whole.points.values() if record is not whole.vanilla]
    points = [
        replace(record.with_measured(train_tokens=100), objectives=each)
        for record, each in zip(others, pairs, strict=False)
    ]
    vanilla = replace(whole.vanilla.with_measured(train_tokens=10), objectives=(0.5, 1.0))
    return make_grid(whole.sweep, [whole.seed, vanilla, *points], {})
