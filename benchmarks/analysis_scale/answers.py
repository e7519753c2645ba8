"""Synthetic answers to synthetic prompts, as rows of `generations`, and the rates computed from them."""

import random
from typing import Any

import numpy as np
import pyarrow as pa

from lookahead_ray.evaluate.rates import wilson
from lookahead_ray.evaluate.results import COUNTED, Metric, Rate
from lookahead_ray.store.schemas import SCHEMAS

OTHER: dict[Metric, str] = {"rsr": "unsafe", "jsr": "unsafe", "over_refusal": "complied", "utility": "wrong"}
METRICS = tuple(OTHER)
UNPARSED = 0.03  # share of answers
TEXTS, WORDS = 4000, 30  # number of distinct answers, and words per answer
CATEGORIES = ("fraud", "weapons", "privacy", "drugs")
VOCABULARY = [f"{first}{last}" for first in "bdfglmnprst" for last in ("arn", "eel", "ight", "ost", "umble")]


class Answers:
    """A source of rows for each trial: all trials have the same prompts, a quarter of the rows per metric."""

    def __init__(self, sweep_id: str, rows: int) -> None:
        rng = random.Random(0)
        self.sweep_id, self.rows = sweep_id, rows
        self.texts = pa.array([_text(rng, WORDS) for _ in range(TEXTS)])
        self.kinds = np.arange(rows) % len(METRICS)
        self.prompts = self._prompt_columns(rng)

    def of(self, trial_id: str, rng: np.random.Generator) -> tuple[pa.Table, dict[Metric, Rate]]:
        """Return a trial's rows of `generations`, and its rates."""
        verdicts, rates = self._judged(rng)
        columns = self.prompts | {
            "sweep_id": pa.array([self.sweep_id] * self.rows),
            "trial_id": pa.array([trial_id] * self.rows),
            "answer": self.texts.take(pa.array(rng.integers(0, TEXTS, self.rows))),
            "verdict": verdicts,
        }
        fields = SCHEMAS["generations"]
        arrays = [
            columns[field.name].cast(field.type) if field.name in columns else pa.nulls(self.rows, field.type)
            for field in fields
        ]
        return pa.Table.from_arrays(arrays, schema=fields), rates

    def _judged(self, rng: np.random.Generator) -> tuple[pa.Array, dict[Metric, Rate]]:
        words = np.empty(self.rows, object)
        rates: dict[Metric, Rate] = {}
        for kind, metric in enumerate(METRICS):
            own = np.flatnonzero(self.kinds == kind)
            good = rng.random(len(own)) < rng.uniform(0.2, 0.95)
            parsed = rng.random(len(own)) >= UNPARSED
            words[own] = np.where(parsed, np.where(good, COUNTED[metric], OTHER[metric]), "unparsed")
            count, n = int((good & parsed).sum()), len(own)
            rates[metric] = Rate(count / n, *wilson(count, n), n, n - int(parsed.sum()))
        return pa.array(words, pa.string()), rates

    def _prompt_columns(self, rng: random.Random) -> dict[str, Any]:
        """Return the columns that all trials share, one prompt per row."""
        metrics = [METRICS[kind] for kind in self.kinds]
        places = [row // len(METRICS) for row in range(self.rows)]
        ids = [f"{metric.replace('jsr', 'rsr')}-{n}" for metric, n in zip(metrics, places, strict=True)]
        text = {
            "metric": metrics,
            "suite": ["word_problems" if metric == "utility" else "probe" for metric in metrics],
            "attack": ["prefill_3" if metric == "jsr" else "none" for metric in metrics],
            "prompt_id": ids,
            "category": [CATEGORIES[place % len(CATEGORIES)] for place in places],
            "prompt": [_text(rng, WORDS // 2) for _ in places],
            "suffix": [""] * self.rows,
            "prefill": ["Sure, here is" if metric == "jsr" else "" for metric in metrics],
            "judge": ["answer" if metric == "utility" else "keywords" for metric in metrics],
        }
        fields = SCHEMAS["generations"]
        return {name: pa.array(values).cast(fields.field(name).type) for name, values in text.items()}


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(VOCABULARY, k=words))
