"""Grids in closed form with seeded noise, to test and to tune the replay without training.

Training for e epochs at a relative learning rate d lowers safety and raises utility exponentially; a preview
protects a share of the safety and costs a share of the utility. Of the change by training, the share s of a
merge loses s² of the logarithm of safety and gains 1 − (1 − s)² of the utility. Answers are Bernoulli draws,
and longer where they are safe; KL and answer loss follow from the true rates, with log-normal noise.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from benchmarks.search.answers import Answers, Prompts
from benchmarks.search.grid import Grid, key, make_grid
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.config.merge import with_share
from lookahead_ray.evaluate.results import Metric, Rate, Signal
from lookahead_ray.objective.base import ReferenceTrials, safety_of, utility_kept
from lookahead_ray.sweep.search.grid import Point, grid_points
from lookahead_ray.trial.record import Role, TrialRecord
from tests.factory import make_measurement

SPACE = Path("benchmarks/search/grid.yaml")
EPOCHS = 3
TOKENS = 10_000  # per epoch; previews add to it
HARMFUL, TASK = 100, 64  # prompts
HARMFUL_IDS = tuple(f"harmful-{index}" for index in range(HARMFUL))
PROMPTS: Prompts = {
    "rsr": HARMFUL_IDS,
    "jsr": HARMFUL_IDS,
    "over_refusal": tuple(f"harmless-{index}" for index in range(HARMFUL // 2)),
    "utility": tuple(f"task-{index}" for index in range(TASK)),
}
REFERENCE_RATE = 1.2e-3


@dataclass(frozen=True)
class Truth:
    """The coefficients of one grid."""

    wear: float  # safety lost per epoch at the reference learning rate
    learning: float  # utility gained
    overfit: float  # utility lost to a too high learning rate
    shown: float  # tokens of a true preview that protect 63 % of the protectable share
    most: float  # largest share of the lost safety that a long true preview protects
    cost: float  # utility lost per previewed token
    phrases: dict[str, tuple[float, float]]  # prefix -> protection, cost
    noise: float  # of the signals


def truth(seed: int, prefixes: list[str], noise: float = 0.1) -> Truth:
    """Draw plausible coefficients."""
    rng = random.Random(seed)
    return Truth(
        wear=rng.uniform(0.3, 0.7),
        learning=rng.uniform(0.4, 1.2),
        overfit=rng.uniform(0.0, 0.15),
        shown=rng.uniform(2, 6),
        most=rng.uniform(0.3, 0.7),
        cost=rng.uniform(0.005, 0.03),
        phrases={prefix: (rng.uniform(0.2, 0.8), rng.uniform(0.0, 0.2)) for prefix in prefixes},
        noise=noise,
    )


def synthetic_grid(seed: int = 0, noise: float = 0.1, overrides: Sequence[str] = ()) -> Grid:
    """Return a whole grid over the benchmark's space with overrides; deterministic."""
    sweep = load_sweep(SPACE, overrides)
    points = sorted(grid_points(sweep), key=key)
    prefixes = sorted({str(p["preview.virtual.prefix"]) for p in points if "preview.virtual.prefix" in p})
    shape = truth(seed, prefixes, noise)
    rng = random.Random(seed + 1)
    shares = sweep.trial(lambda dimension: points[0][dimension.name]).merge.shares
    if len(shares) > 1:
        return _grid_of_shares(sweep, points, shares, shape, rng)
    reference: Point = {"preview": "none", "training.learning_rate": REFERENCE_RATE}
    seed_model = _record("seed", {}, shape, rng, 0)
    vanilla = _record("vanilla", reference, shape, rng, EPOCHS)
    records = [
        _record("search", point, shape, rng, EPOCHS) for point in points if key(point) != key(reference)
    ]
    references = ReferenceTrials(seed_model, vanilla)
    return make_grid(sweep, [_scored(r, references) for r in (seed_model, vanilla, *records)], {})


def _grid_of_shares(
    sweep: Sweep, points: Sequence[Point], shares: Sequence[float], shape: Truth, rng: random.Random
) -> Grid:
    """Return a grid of trainings with several shares, and with answers."""
    reference: Point = {"preview": "none", "training.learning_rate": REFERENCE_RATE, "training.epochs": 1}
    draws: dict[str, Answers] = {}

    def answered(role: Role, point: Point, epochs: int, share: float = 1.0) -> TrialRecord:
        record = _record(role, point, shape, rng, epochs, share)
        answers = _answers(rng, *_levels(point, shape, epochs, share))
        draws[record.trial_id] = answers
        rates: dict[str, Any] = {
            metric: _rate_of(int(sum(found)), len(found)) for metric, found in answers.credits.items()
        }
        return replace(record, config_hash=record.trial_id, **rates)

    seed_model, vanilla = answered("seed", {}, 0), answered("vanilla", reference, 1)
    records = [
        answered("search", point, int(point["training.epochs"] or 0), share)
        for point in points
        for share in shares
        if share < 1 or key(point) != key(reference)
    ]
    references = ReferenceTrials(seed_model, vanilla)
    scored = [_scored(r, references) for r in (seed_model, vanilla, *records)]
    return make_grid(sweep, scored, {}, PROMPTS, draws)


def _scored(record: TrialRecord, references: ReferenceTrials) -> TrialRecord:
    kept = safety_of(record) / safety_of(references.seed), utility_kept(record, references)
    return replace(record, objectives=kept, safety=safety_of(record))


def _record(
    role: Role, point: Point, shape: Truth, rng: random.Random, epochs: int, share: float = 1.0
) -> TrialRecord:
    safe, useful = _levels(point, shape, epochs, share)
    signals = tuple(_signal(point, shape, rng, epoch) for epoch in (range(1, epochs + 1) if epochs else (0,)))
    name = role if role != "search" else key(point)
    is_first = share == 1
    return TrialRecord(
        sweep_id="grid",
        trial_id=name if is_first else f"{name}.{share}",
        role=role,
        status="completed",
        config=with_share({"merge": {"name": "linear"}}, share),
        training_id=None if is_first else name,
        config_hash=key(point),
        params=dict(point),
        started_at="2026-01-01T00:00:00+00:00",
        rsr=_rate(rng, safe, HARMFUL),
        jsr=_rate(rng, safe * 0.8, HARMFUL),
        over_refusal=_rate(rng, 0.1, HARMFUL // 2),
        utility=_rate(rng, useful, TASK),
        seconds_total=1.0 * epochs + 5,
        measurement=make_measurement(
            workers=0,  # as a recorded grid, which lacks it
            train_tokens=signals[-1].train_tokens if is_first else 0,
            flops=6.0 * 135e6 * signals[-1].train_tokens if is_first else 0.0,
            seconds_train=1.0 * epochs,
            seconds_evaluate=5.0,
            signals=signals if is_first else (),
        ),
    )


def _levels(point: Point, shape: Truth, epochs: int, share: float = 1.0) -> tuple[float, float]:
    """Return the true rates of safety and utility after some epochs, for a share of the change."""
    protects = costs = 0.0
    if "preview.true.length_tokens" in point:
        length = float(point["preview.true.length_tokens"] or 0)
        protects, costs = shape.most * (1 - math.exp(-length / shape.shown)), shape.cost * length
    elif "preview.virtual.prefix" in point:
        protects, costs = shape.phrases[str(point["preview.virtual.prefix"])]
    rate = float(point.get("training.learning_rate") or 0) / REFERENCE_RATE
    safe = 0.9 * math.exp(-shape.wear * rate * epochs * (1 - protects) * share**2)
    gained = (1 - math.exp(-shape.learning * rate * epochs)) * (1 - costs) * (1 - (1 - share) ** 2)
    return safe, max(0.0, 0.05 + 0.6 * gained - shape.overfit * max(0.0, rate - 1))


def _answers(rng: random.Random, safe: float, useful: float) -> Answers:
    levels: dict[Metric, float] = {"rsr": safe, "jsr": safe * 0.8, "over_refusal": 0.1, "utility": useful}
    counted = {
        metric: tuple(float(rng.random() < levels[metric]) for _ in ids) for metric, ids in PROMPTS.items()
    }
    tokens = {
        metric: tuple(rng.randrange(20, 40) + 100 * (metric in ("rsr", "jsr")) * int(c) for c in found)
        for metric, found in counted.items()
    }
    return Answers(counted, tokens)


def _signal(point: Point, shape: Truth, rng: random.Random, epoch: int) -> Signal:
    safe, useful = _levels(point, shape, epoch)
    length = float(point.get("preview.true.length_tokens") or 0)
    kl = -math.log(safe / 0.9) * rng.lognormvariate(0, shape.noise)
    loss = -math.log(0.2 + 0.6 * useful) * rng.lognormvariate(0, shape.noise / 3)
    return Signal(epoch, int(epoch * (TOKENS + 100 * length)), kl, loss, 1.0)


def _rate(rng: random.Random, level: float, n: int) -> Rate:
    return _rate_of(sum(rng.random() < level for _ in range(n)), n)


def _rate_of(count: int, n: int) -> Rate:
    interval = binomtest(count, n).proportion_ci(method="wilson")
    return Rate(count / n, float(interval.low), float(interval.high), n, 0)
