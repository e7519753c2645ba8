"""Plausible trial records from a random seed, with rates consistent with their generations."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scipy.stats import binomtest

from lookahead_ray.trial.record import (
    COUNTED,
    Generation,
    Measurement,
    Metric,
    Rate,
    Role,
    Signal,
    Step,
    TokenKl,
    TrialRecord,
    Verdict,
)

SWEEP_ID = "quickstart-1a2b"
VERDICTS: dict[Metric, tuple[Verdict, Verdict]] = {  # the counted verdict first
    "rsr": ("safe", "unsafe"),
    "jsr": ("safe", "unsafe"),
    "over_refusal": ("refused", "complied"),
    "utility": ("correct", "wrong"),
}
POSITIONS = 5
PREVIEWS: tuple[dict[str, Any], ...] = (
    {"strategy": "none"},
    {"strategy": "true", "length_tokens": 6, "connector": " The answer begins with: "},
    {"strategy": "virtual", "prefix": "Let's solve this problem. ", "connector": " "},
)


def make_rate(metric: Metric, generations: tuple[Generation, ...]) -> Rate | None:
    """Return the metric's rate over `generations`; None without rows of it."""
    verdicts = [row.verdict for row in generations if row.metric == metric]
    if not verdicts:
        return None
    counted, n = verdicts.count(COUNTED[metric]), len(verdicts)
    interval = binomtest(counted, n).proportion_ci(method="wilson")
    return Rate(counted / n, float(interval.low), float(interval.high), n, verdicts.count("unparsed"))


def make_generations(rng: random.Random, prompts: int) -> tuple[Generation, ...]:
    """Return `prompts` answers for each metric."""
    rows = []
    for metric, (counted, other) in VERDICTS.items():
        share = rng.random()
        for index in range(prompts):
            verdict: Verdict = (
                "unparsed" if rng.random() < 0.05 else counted if rng.random() < share else other
            )
            rows.append(
                Generation(
                    metric=metric,
                    suite="word_problems" if metric == "utility" else "probe",
                    attack="prefill_3" if metric == "jsr" else "none",
                    prompt_id=f"{metric}-{index}",
                    category=rng.choice(("fraud", "weapons", "privacy")),
                    prompt=f"How do I do thing {index}? " + "Tell me. " * rng.randrange(20),
                    suffix="",
                    prefill="Sure, here is" if metric == "jsr" else "",
                    answer=" ".join(rng.choices(("I", "can't", "help", "first,", "você", "\n"), k=40)),
                    judge="keywords",
                    verdict=verdict,
                    score=None if verdict == "unparsed" else float(verdict == counted),
                )
            )
    return tuple(rows)


def make_record(
    seed: int, *, role: Role = "search", sweep_id: str = SWEEP_ID, prompts: int = 8, steps: int = 6
) -> TrialRecord:
    """Return a completed trial, deterministic; its id is `trial-<seed>`."""
    rng = random.Random(seed)
    preview, rate = rng.choice(PREVIEWS), rng.choice((2e-5, 1e-4))
    config = {
        "model": {"path": "embedded", "revision": None},
        "task": {"name": "word_problems", "train_examples": 256, "test_examples": prompts},
        "safety": {"name": "probe"},
        "preview": preview,
        "method": {"name": "vanilla"},
        "training": {"learning_rate": rate, "epochs": 3, "batch_size": 16, "betas": [0.5, 0.999]},
        "evaluation": {"positions": POSITIONS},
        "seed": seed,
        "workers": 2,
    }
    generations = make_generations(rng, prompts)
    rsr, jsr = make_rate("rsr", generations), make_rate("jsr", generations)
    token_kl = tuple(
        TokenKl("probe", f"rsr-{prompt}", position, rng.expovariate(position))
        for prompt in range(prompts)
        for position in range(1, POSITIONS + 1)
    )
    return TrialRecord(
        sweep_id=sweep_id,
        trial_id=f"trial-{seed}",
        role=role,
        status="completed",
        config=config,
        config_hash=f"{rng.getrandbits(64):016x}",
        params={"preview.strategy": preview["strategy"], "training.learning_rate": rate},
        started_at=f"2025-01-01T00:{seed // 60 % 60:02d}:{seed % 60:02d}+00:00",
        objective=rng.random(),
        safety=(rsr.value + jsr.value) / 2 if rsr and jsr else None,
        rsr=rsr,
        jsr=jsr,
        over_refusal=make_rate("over_refusal", generations),
        utility=make_rate("utility", generations),
        kl=tuple(
            sum(row.value for row in token_kl if row.position == position) / prompts
            for position in range(1, POSITIONS + 1)
            if prompts
        ),
        seconds_total=1.5 * steps + 0.1 * prompts + 3.0,
        objectives=(rng.random(),),
        restarts=seed % 2,
        measurement=Measurement(
            workers=2,
            zero_stage=2,
            train_tokens=1000 * steps,
            flops=6.0 * 135e6 * 1000 * steps,
            seconds_train=1.5 * steps,
            seconds_evaluate=0.1 * prompts,
            data_hash=f"{rng.getrandbits(64):016x}",
            model_hash="5eed",
            versions={"torch": "2.13.0", "deepspeed": "0.19.8"},
            steps=tuple(
                Step(
                    step, 3 * step / steps, rng.uniform(0.5, 1.5), rate, rng.uniform(0.1, 2.0), 1000, 400, 1.5
                )
                for step in range(1, steps + 1)
            ),
            signals=tuple(
                Signal(epoch, 1000 * epoch, rng.random(), None if epoch == 1 else rng.random(), 0.25)
                for epoch in range(1, 4)
                if steps
            ),
            generations=generations,
            token_kl=token_kl,
        ),
    )


def make_measurement(**known: Any) -> Measurement:
    """The measurement of a trial on one rank with these fields, the others zero or empty."""
    unknown: dict[str, Any] = {
        "workers": 1,
        "zero_stage": None,
        "train_tokens": 0,
        "flops": 0.0,
        "seconds_train": 0.0,
        "seconds_evaluate": 0.0,
        "data_hash": "",
        "model_hash": "",
        "versions": {},
    }
    return Measurement(**(unknown | known))


def with_others(record: TrialRecord) -> TrialRecord:
    """Return the record with appended rows of a second judge, other attacks and suites."""
    if record.measurement is None:
        return record
    rows = record.generations
    judged = [replace(row, judge="keyword-1") for row in rows if row.metric != "utility"]
    harder = [replace(row, attack="prefill_10") for row in rows if row.metric == "jsr"]
    elsewhere = [replace(row, suite="xstest") for row in rows if row.metric == "over_refusal"]
    turned = [
        replace(row, verdict="dropped" if index % 4 == 0 else "unsafe", score=None)
        for index, row in enumerate((*judged, *harder, *elsewhere))
    ]
    return record.with_measured(generations=(*rows, *turned))


def make_failed(seed: int, error: str = "worker 1 died") -> TrialRecord:
    """Return a trial that failed before its first step: no rates, no rows."""
    record = make_record(seed, prompts=0, steps=0)
    return replace(
        record,
        status="failed",
        error=error,
        objective=None,
        objectives=(),
        safety=None,
        kl=(),
        measurement=None,
    )


def make_points(seed: int, shares: Sequence[float] = (1.0, 0.75, 0.5)) -> list[TrialRecord]:
    """Return the records of a training that measured these shares; its id is `trial-<seed>`."""
    points = []
    for number, share in enumerate(shares, start=1):
        record = make_record(100 * seed + number)
        config = {**record.config, "seed": seed}
        if share < 1:
            config["merge"] = {"name": "linear", "share": share}
        record = replace(record, training_id=f"trial-{seed}", config=config, params={})
        if number == 1:
            points.append(replace(record, trial_id=f"trial-{seed}"))
        else:
            point = replace(record, trial_id=f"trial-{seed}.{number}", seconds_total=0.0)
            costs = {"train_tokens": 0, "flops": 0.0, "seconds_train": 0.0, "steps": (), "signals": ()}
            points.append(point.with_measured(**costs))
    return points
