"""Sweeps with known truth: records drawn from true rates."""

import numpy as np

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.trial.record import Generation, Metric, Role, TrialRecord, Verdict
from tests.factory import make_measurement

HALF = WeightedObjective()
METRICS: tuple[tuple[Metric, Verdict, Verdict], ...] = (
    ("rsr", "safe", "unsafe"),
    ("jsr", "safe", "unsafe"),
    ("utility", "correct", "wrong"),
)
Truth = tuple[float, float, float]  # rates of RSR, JSR and utility


class Sweep:
    """Trials that share prompts, each prompt with its own difficulty, so that answers are paired."""

    def __init__(self, seed: int, harmful: int = 120, task: int = 100, training: float = 0.0) -> None:
        self.training = (
            training  # standard deviation of a trained model's rates from random seed to random seed
        )
        self.rng = np.random.default_rng(seed)
        self.sizes = {"rsr": harmful, "jsr": harmful, "utility": task}
        self.shared = {"rsr": self.rng.random(harmful), "jsr": self.rng.random(harmful)}
        self.shared["utility"] = self.rng.random(task)
        self.trials: list[TrialRecord] = []

    def add(
        self, trial_id: str, truth: Truth, role: Role = "search", length: int = 6, seed: int = 0
    ) -> TrialRecord:
        generations: list[Generation] = []
        for (metric, good, bad), true_rate in zip(METRICS, truth, strict=True):
            size = self.sizes[metric]
            if self.training and role != "seed":
                true_rate += self.rng.normal(0, self.training)
            own = (
                self.rng.random(size) < 0.5
            )  # half of the prompts are answered by chance, half by difficulty
            draws = np.where(own, self.rng.random(size), self.shared[metric])
            prefix = "task" if metric == "utility" else "harmful"
            generations += [
                Generation(
                    metric=metric,
                    suite="s",
                    attack="prefill_3" if metric == "jsr" else "none",
                    prompt_id=f"{prefix}-{i:03}",
                    category="",
                    prompt="",
                    suffix="",
                    prefill="",
                    answer="",
                    judge="j",
                    verdict=good if draw < true_rate else bad,
                    score=None,
                )
                for i, draw in enumerate(draws)
            ]
        record = TrialRecord(
            sweep_id="s",
            trial_id=trial_id,
            role=role,
            status="completed",
            config={"preview": {"strategy": "true", "length_tokens": length}, "seed": seed},
            config_hash="",
            params={},
            started_at="",
            rsr=rate(generations, "rsr"),
            jsr=rate(generations, "jsr"),
            utility=rate(generations, "utility"),
            measurement=make_measurement(generations=tuple(generations)),
        )
        self.trials.append(record)
        return record


def sweep(seed: int, vanilla: Truth, *candidates: Truth, **sizes: float) -> list[TrialRecord]:
    """Return references and candidates c0, c1, … with these true rates."""
    made = Sweep(seed, **sizes)  # type: ignore[arg-type]
    made.add("seed", (0.95, 0.75, 0.05), "seed")
    made.add("vanilla", vanilla, "vanilla")
    for i, truth in enumerate(candidates):
        made.add(f"c{i}", truth, length=i + 1)
    return made.trials


VANILLA: Truth = (0.3, 0.1, 0.4)
