"""Data of the answer browser: a table of distinct words, and rows of indices into it."""

from typing import Any

from analysis.report.data.answers import WORDS, sample
from analysis.report.data.columns import take_ids
from analysis.report.sections.view import View

TEXTS = ("prompt", "suffix", "prefill", "answer")


def browser_data(view: View) -> dict[str, Any]:
    """Return JSON values: note, words (distinct texts), trials (index -> label), and rows.

    A row is [trial, suite, attack, metric, judge, verdict, prompt id, score, [texts], [characters cut]]. Its
    first six values and the texts are indices into `words`, so that a prompt is stored once for all trials.
    """
    rows = sample(view.source, view.shown)
    total = sum(view.source.rows("generations").values())
    labels = dict(
        zip(
            *(take_ids(view.frame, view.shown)[name].to_pylist() for name in ("trial_id", "label")),
            strict=True,
        )
    )
    places: dict[str, int] = {}

    def place(text: str) -> int:
        return places.setdefault(text, len(places))

    made = [
        [
            place(f"{labels[row['trial']]} · {row['trial']}"),
            *(place(row[name]) for name in WORDS),
            place(row["prompt_id"]),
            _finite(row["score"]),
            [place(row[name]) for name in TEXTS],
            [row[f"{name}_cut"] for name in TEXTS],
        ]
        for row in rows
    ]
    note = (
        f"All {total:,} answers of the run."
        if len(rows) == total
        else (
            f"A sample: {len(rows):,} of {total:,} answers, of {len(labels)} of {view.frame.num_rows:,} "
            "trials, drawn "
            "evenly from each trial's suites, attacks, judges and verdicts. The rates are over all answers."
        )
    )
    return {"note": note, "words": list(places), "rows": made}


def _finite(value: float | None) -> float | str | None:
    return str(value) if value is not None and value - value != 0 else value
