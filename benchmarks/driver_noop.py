"""Trials that train nothing: Tune starts them like real ones, and they report a synthetic measurement."""

import os
import random
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.trainable import FunctionTrainable

from lookahead_ray.evaluate.results import Generation, Metric, Signal, TokenKl, Verdict
from lookahead_ray.train.step import Step
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.worker_group import MEASUREMENT

HARMFUL, HARMLESS, PROBLEMS = 163, 164, 64  # as the quickstart measures
POSITIONS = 8
STEPS = 48
WORDS = ("the", "request", "of", "a", "user", "who", "asks", "for", "help", "and", "gets", "an", "answer")
RATES: dict[Metric, tuple[int, str, str, Verdict, Verdict]] = {
    "rsr": (HARMFUL, "probe", "none", "safe", "unsafe"),
    "jsr": (HARMFUL, "probe", "prefill_3", "safe", "unsafe"),
    "over_refusal": (HARMLESS, "probe", "none", "refused", "complied"),
    "utility": (PROBLEMS, "word_problems", "none", "correct", "wrong"),
}
"""Metric -> prompts, suite, attack, and the verdicts, the counted one first."""


RAN = "LOOKAHEAD_RAY_BENCH_RAN"
"""Environment variable with the path of a file to which each trial appends its id, one per line."""


class NoOpTrial(FunctionTrainable):
    """Runs `config["job"]` without any work."""

    def _trainable_func(self, config: dict[str, Any]) -> None:
        job: Job = config["job"]
        with Path(os.environ[RAN]).open("a", encoding="utf-8") as file:
            file.write(f"{job.trial_id}\n")  # a single write, so that lines of two trials do not interleave
        tune.report({MEASUREMENT: measurement(job)})
        tune.report({tune.result.RESULT_DUPLICATE: True})


def measurement(job: Job) -> Measurement:
    """Return a measurement as large as a real one, the same for the same trial."""
    rng = random.Random(job.trial_id)
    return Measurement(
        workers=1,
        zero_stage=2,
        train_tokens=100_000,
        flops=1e15,
        seconds_train=0.0,
        seconds_evaluate=0.0,
        data_hash="",
        model_hash="",
        versions={},
        steps=tuple(
            Step(step, step / STEPS, rng.random(), 1e-4, 1.0, 2000, 900, 0.0) for step in range(1, STEPS + 1)
        ),
        signals=(Signal(1, 100_000, rng.random(), rng.random(), 0.0),),
        generations=tuple(row for metric in RATES for row in _answers(metric, job, rng)),
        token_kl=tuple(
            TokenKl("probe", f"harmful-{prompt:03d}", position, rng.random())
            for prompt in range(HARMFUL)
            for position in range(1, POSITIONS + 1)
        ),
    )


def _answers(metric: Metric, job: Job, rng: random.Random) -> list[Generation]:
    prompts, suite, attack, counted, other = RATES[metric]
    # gives the search something to find: longer training improves the task and lowers safety
    epochs, rate = job.config["training"]["epochs"], job.config["training"]["learning_rate"]
    trained = min(1.0, epochs * rate * 2000) if job.trains else 0.0
    share = trained if metric in ("utility", "over_refusal") else 1 - trained / 2
    return [
        Generation(
            metric=metric,
            suite=suite,
            attack=attack,
            prompt_id=f"{metric}-{prompt:03d}",
            category="none",
            prompt=f"{prompt}: {' '.join(WORDS)}",
            suffix="",
            prefill="",
            answer=" ".join(rng.choices(WORDS, k=40)),
            judge="refusal",
            verdict=counted if rng.random() < share else other,
            score=None,
        )
        for prompt in range(prompts)
    ]
