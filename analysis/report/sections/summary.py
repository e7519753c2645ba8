"""The report's head: the recommendation with its reasons, and a description of the run."""

import json
from dataclasses import dataclass

import pyarrow.compute as pc

from analysis.report.data.columns import take_ids
from analysis.report.sections.view import View
from analysis.report.text import short, visible
from lookahead_ray.presentation.row_counts import row_notes


@dataclass(frozen=True)
class Summary:
    """The report's head as plain text. `notes` are warnings: that the sweep still runs, what was left out.

    `chosen`: whether a configuration is recommended.
    """

    title: str
    heading: str
    sentence: str
    also: list[tuple[str, list[str]]]
    facts: list[tuple[str, str]]
    notes: list[str]
    chosen: bool


def summary(view: View) -> Summary:
    """Return the head, with the recommendation in a sentence."""
    advice, source = view.advice, view.source
    heading = "No configuration is recommended"
    if advice.trial_id:
        heading = f"Recommended: {_labels(view, [advice.trial_id])[0]}"
    groups = [
        ("On the Pareto front", advice.front),
        (f"Indistinguishable from it in {advice.ranked_by}", advice.alike),
    ]
    return Summary(
        title=short(source.identity.name or source.run, 80),
        heading=heading,
        sentence=_sentence(visible(advice.sentence)),
        also=[(name, _labels(view, list(ids[:12]))) for name, ids in groups if ids],
        facts=_facts(view),
        notes=_notes(view),
        chosen=advice.trial_id is not None,
    )


def _sentence(text: str) -> str:
    first = text[:1].upper() + text[1:]
    return first if first.endswith((".", "!")) else f"{first}."


def _labels(view: View, trial_ids: list[str]) -> list[str]:
    labels: list[str] = take_ids(view.frame, trial_ids)["label"].to_pylist()
    return labels


def _facts(view: View) -> list[tuple[str, str]]:
    states = view.frame["status"].to_pylist()
    return [
        ("trials", f"{len(states):,}"),
        ("completed", f"{view.completed:,}"),
        *([("partial", f"{states.count('partial'):,}")] if "partial" in states else []),
        ("stopped", f"{states.count('stopped'):,}"),
        ("failed", f"{states.count('failed'):,}"),
        *([("unjudged", f"{states.count('unjudged'):,}")] if "unjudged" in states else []),
        ("answers", f"{sum(view.source.rows('generations').values()):,}"),
    ]


def _notes(view: View) -> list[str]:
    source, notes = view.source, []
    if source.running:
        notes.append(
            f"The sweep is still running: this is its state after {view.frame.num_rows:,} trials. "
            "Write the report again when it has ended."
        )
    if source.running is None:
        notes.append("Whether the sweep is still running is unknown on this file system.")
    for version, trials in source.earlier_versions.items():
        notes.append(
            f"{trials:,} {'trial was' if trials == 1 else 'trials were'} written in schema version "
            f"{version}: later columns are empty here."
        )
    further = pc.sum(pc.not_equal(view.frame["training_id"], view.frame["trial_id"])).as_py() or 0
    if further:
        notes.append(
            f"{further:,} of the trials {'is' if further == 1 else 'are'} measured after another trial's "
            "training, at a further share of its merge; the costs are with the first share."
        )
    if partial := view.frame["status"].to_pylist().count("partial"):
        notes.append(
            f"{partial:,} of the trials {'was' if partial == 1 else 'were'} measured on the first prompts "
            "only, as their answers showed beyond the noise that they can't be recommended; the tables are "
            "without them."
        )
    notes += row_notes([json.loads(text) for text in view.frame["preparation"].to_pylist() if text])
    if view.advice.limits:
        notes.append(view.advice.limits)
    if waiting := view.frame["status"].to_pylist().count("unjudged"):
        notes.append(
            f"{waiting:,} {'trial waits' if waiting == 1 else 'trials wait'} for a judge that was down: the "
            "answers are kept, and rejudge or sweep --resume judges them."
        )
    if view.frame.num_rows == 0:
        notes.append("No trial is committed yet.")
    return notes
