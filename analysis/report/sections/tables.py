"""Sections with Tables 1 and 2, failed trials, and provenance."""

import shlex
from collections.abc import Mapping
from typing import Any

from analysis.report.data import tables
from analysis.report.reproduce import again
from analysis.report.sections.blocks import Cell, Grid, Section, number, numbers_of, share, words
from analysis.report.sections.view import View
from analysis.report.text import cut, visible

RATES = {"rsr": "RSR, %", "jsr": "JSR, %", "over_refusal": "over-refusal, %", "utility": "utility, %"}
MOST_FAILED = 50
LONGEST_ERROR = 2000


def table_1(view: View) -> Section:
    """Return the section with rates, intervals, and differences to vanilla."""
    title = "Table 1: safety and utility"
    rows = tables.table_1(view.frame, view.shown, view.advice.comparisons).to_pylist()
    if not rows:
        return Section("table-1", title, missing="No trial was completed.")
    measured = {name: head for name, head in RATES.items() if any(row[name] is not None for row in rows)}
    head = ["configuration", *(part for name in measured.values() for part in (name, "Δ vanilla"))]
    cells = [[named(row, view)] + [c for name in measured for c in _rate(row, name)] for row in rows]
    text = [
        "Rates with 95 % intervals; n counts prompts, including those without a verdict (unparsed). Δ is the "
        "difference to vanilla in percentage points. p is two-sided and unadjusted: McNemar's exact test on "
        "the same prompts, or the paired bootstrap with several random seeds; `analysis compare` tests "
        "over-refusal and utility too.",
        view.some(),
    ]
    absent = [head.split(",")[0] for name, head in RATES.items() if name not in measured]
    if absent:
        text.append(f"Not measured: {', '.join(absent)}.")
    grid = Grid(title, head, cells, frozenset(range(1, len(head))))
    return Section("table-1", title, [line for line in text if line], (), [grid])


def table_2(view: View) -> Section:
    """Return the section with the cost of training."""
    title = "Table 2: cost"
    rows = tables.table_2(view.frame, view.shown).to_pylist()
    if not rows:
        return Section("table-2", title, missing="No completed trial has counted FLOPs.")
    head = [
        "configuration",
        "FLOPs",
        "of vanilla's",
        "of these for the seed model",
        "training tokens",
        "of vanilla's",
        "training, s",
        "evaluation, s",
    ]
    cells = [
        [
            named(row, view),
            *(
                Cell(text)
                for text in (
                    number(row["flops"]),
                    _ratio(row["flops_ratio"]),
                    number(row["preparation_flops"]),
                    "–" if row["train_tokens"] is None else f"{row['train_tokens']:,}",
                    _ratio(row["tokens_ratio"]),
                    _seconds(row["seconds_train"]),
                    _seconds(row["seconds_evaluate"]),
                )
            ),
        ]
        for row in rows
    ]
    grid = Grid(title, head, cells, frozenset(range(1, len(head))))
    text = "A row for each training; further shares of its merge cost no training."
    if view.some():
        text += " Shown are the trainings whose first share is in Table 1."
    return Section("table-2", title, [text], (), [grid])


def failed(view: View) -> Section:
    """Return the section with trials that failed, were stopped or are unjudged, with their errors."""
    table = tables.failures(view.frame)
    if not len(table):
        return Section("failed", "Failed trials", missing="No trial failed, was stopped or is unjudged.")
    rows = [
        [
            Cell(words(row["label"]), words(row["trial_id"])),
            Cell(words(row["status"])),
            Cell(_error(row["error"])),
            Cell(number(row["restarts"])),
            Cell(words(row["started_at"])),
        ]
        for row in table.slice(0, MOST_FAILED).to_pylist()
    ]
    text = [f"{len(table):,} of {view.frame.num_rows:,} trials failed, were stopped or are unjudged."]
    if len(table) > MOST_FAILED:
        text.append(f"The first {MOST_FAILED} are listed.")
    head = ["configuration", "status", "error", "restarts", "started"]
    grid = Grid("Failed, stopped and unjudged trials", head, rows)
    return Section("failed", "Failed trials", text, (), [grid])


def origin(view: View) -> Section:
    """Return the section with versions, hashes, and the command that reproduces the run."""
    identity = view.source.identity
    made = again(identity, view.frame)
    report = shlex.join(["python", "-m", "analysis", "report", view.source.run, "--out", "report.html"])
    facts = {
        "run": view.source.run,
        "sweep": identity.sweep_id,
        "started": identity.created_at,
        "configuration hash": identity.config_hash,
        "table schema": str(identity.schema_version),
        **{f"hash of {part}": value for part, value in identity.hashes.items()},
    }
    grids = [
        Grid("This run", ["what", "value"], [[Cell(words(k)), Cell(words(v))] for k, v in facts.items()]),
        numbers_of(
            tables.hardware(view.frame),
            {
                "precision": ("precision", words),
                "ranks": ("ranks", number),
                "gpus": ("GPUs of each", number),
                "trials": ("trials", number),
            },
        ),
        numbers_of(
            tables.versions(view.frame),
            {"package": ("package", words), "version": ("version", words), "trials": ("trials", number)},
        ),
        numbers_of(
            tables.hashes(view.frame),
            {"what": ("what", words), "hash": ("hash", words), "trials": ("trials", number)},
        ),
    ]
    code = [
        ("Run it again", visible(made.command)),
        ("Write this report again", visible(report)),
        (visible(made.file), cut(made.yaml, 40_000)[0]),
    ]
    return Section("origin", "Versions, hashes, and how to reproduce", (), (), grids, code=code)


def named(row: Mapping[str, Any], view: View) -> Cell:
    """Return the cell of a trial: its label, its id, and whether it is recommended."""
    chosen = row["trial_id"] == view.advice.trial_id
    below = [words(row["trial_id"])] + (["recommended"] if chosen else [])
    if (row.get("seeds") or 1) > 1:
        below.append(f"first of {row['seeds']} seeds")
    return Cell(words(row["label"]), " · ".join(below), chosen)


def _rate(row: Mapping[str, Any], name: str) -> tuple[Cell, Cell]:
    if row[name] is None:
        return Cell("–"), Cell("–")
    unparsed = f", {row[f'{name}_unparsed']} unparsed" if row[f"{name}_unparsed"] else ""
    rate = Cell(
        f"{share(row[name])} [{share(row[f'{name}_low'])}, {share(row[f'{name}_high'])}]",
        f"n {row[f'{name}_n']}{unparsed}",
    )
    change, p = row[f"{name}_change"], row.get(f"{name}_p")
    if change is None or row["role"] == "vanilla":
        return rate, Cell("–")
    p_text = "" if p is None else "p < 0.001" if p < 0.001 else f"p {p:.3f}"
    return rate, Cell(_signed(100 * change), p_text)


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _error(text: str | None) -> str:
    shown, lost = cut(text or "no error text", LONGEST_ERROR)
    return f"{shown}\n… {lost:,} characters cut" if lost else shown
