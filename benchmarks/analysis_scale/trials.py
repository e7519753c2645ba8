"""Synthetic search trials."""

import math
import random
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyarrow as pa

from benchmarks.analysis_scale.answers import Answers
from lookahead_ray.config.auto import HardwareValues
from lookahead_ray.config.load import Sweep, content_hash, trial_json
from lookahead_ray.config.preview import TruePreview, VirtualPreview
from lookahead_ray.evaluate.results import Signal, TokenKl
from lookahead_ray.train.step import Step
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.record import Role, TrialRecord, mean_kl

STEPS, EPOCHS, KL_PROMPTS, POSITIONS = 16, 3, 16, 8
PHRASES = ("Let's solve this problem. ", "Let's think step by step. ", "dadjalsasdfghkjzmnb ")
MOST_TOKENS = 8  # tokens of the longest preview
HARDWARE = HardwareValues("bf16", 1, 0.0)
PREVIEWS = MOST_TOKENS + len(PHRASES)
UNTRAINED = Measurement(
    workers=1,
    zero_stage=None,
    train_tokens=0,
    flops=0.0,
    seconds_train=0.0,
    seconds_evaluate=20.0,
    data_hash="",
    model_hash="5eed",
    versions={"torch": "2.13.0"},
)


class Trials:
    """A deterministic factory of trials."""

    def __init__(self, sweep: Sweep, sweep_id: str, rows: int, seed: int) -> None:
        self.sweep_id, self.seed = sweep_id, seed
        self.base = trial_json(HARDWARE.fill(sweep.reference()))
        self.answers = Answers(sweep_id, rows)

    def make(self, number: int, role: Role) -> tuple[TrialRecord, pa.Table]:
        """Return a completed trial without answers and its `generations`; references have numbers below 0."""
        rng = np.random.default_rng([number + 2, self.seed])
        trial_id = f"trial-{number}" if role == "search" else role
        config, params = self._settings(number)
        generations, rates = self.answers.of(trial_id, rng)
        measured = UNTRAINED if role == "seed" else self._trained(config, rng)
        record = TrialRecord(
            sweep_id=self.sweep_id,
            trial_id=trial_id,
            role=role,
            status="completed",
            config=config,
            config_hash=content_hash(config),
            params=params,
            started_at="2026-01-01T00:00:00+00:00",
            seconds_total=90.0,
            kl=mean_kl(measured.token_kl),
            measurement=measured,
            **cast(dict[str, Any], rates),
        )
        return record, generations

    def _settings(self, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the configuration, and the sampled parameters.

        The first trials differ from vanilla in the preview only, later ones also in the learning rate.
        """
        own = {**self.base, "seed": self.seed}
        if number < 0:
            return own, {}
        place = number % PREVIEWS
        if place < MOST_TOKENS:
            preview: TruePreview | VirtualPreview = TruePreview(strategy="true", length_tokens=place + 1)
            params: dict[str, Any] = {"preview": "true", "preview.true.length_tokens": place + 1}
        else:
            phrase = PHRASES[place - MOST_TOKENS]
            preview = VirtualPreview(strategy="virtual", prefix=phrase)
            params = {"preview": "virtual", "preview.virtual.prefix": phrase}
        rate = self.base["training"]["learning_rate"]
        if number >= PREVIEWS:
            rate = math.exp(random.Random(number).uniform(math.log(rate / 4), math.log(rate * 4)))
        training = {**self.base["training"], "learning_rate": rate}
        config = {**own, "preview": preview.model_dump(mode="json"), "training": training}
        return config, {**params, "training.learning_rate": rate}

    def _trained(self, config: dict[str, Any], rng: np.random.Generator) -> Measurement:
        kl = rng.exponential(1 / np.arange(1, POSITIONS + 1), (KL_PROMPTS, POSITIONS))
        tokens = 10_000 + 100 * config["preview"].get("length_tokens", 0)
        rate = config["training"]["learning_rate"]
        return replace(
            UNTRAINED,
            zero_stage=2,
            train_tokens=tokens,
            flops=6.0 * 135e6 * tokens,
            seconds_train=60.0,
            steps=tuple(
                Step(step, EPOCHS * step / STEPS, 1 / step, rate, 1.0, 600, 200, 4.0)
                for step in range(1, STEPS + 1)
            ),
            signals=tuple(
                Signal(epoch, epoch * tokens, 0.1 * epoch, 1 / epoch, 0.5) for epoch in range(1, EPOCHS + 1)
            ),
            token_kl=tuple(
                TokenKl("probe", f"rsr-{prompt}", position, float(kl[prompt, position - 1]))
                for prompt in range(KL_PROMPTS)
                for position in range(1, POSITIONS + 1)
            ),
        )
