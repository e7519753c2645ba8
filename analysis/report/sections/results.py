"""Sections on the results of the sweep: the trade-off, Figures 3 to 5, JSR(k)."""

import pyarrow as pa
import pyarrow.compute as pc

from analysis.report.data import curves
from analysis.report.data.columns import take_ids
from analysis.report.figures import curves as draw
from analysis.report.figures.planes import MOST_BARS, RATES
from analysis.report.figures.planes import tradeoff as draw_plane
from analysis.report.figures.style import METRICS
from analysis.report.frame import front_ids
from analysis.report.sections.blocks import RATE, Drawing, Section, number, numbers_of, share, words
from analysis.report.sections.view import View

RATE_COLUMNS = ("sweep_id", "trial_id", "metric", "suite", "attack", "judge", "verdict", "score")
MOST_LINES = 8
PLAIN = "whole with the vanilla method at share 1; Table 1 has the other trials"
SPREAD = (
    "A point of one trial has the trial's 95 % interval. A point of several trials is their mean; its bar "
    "goes from the least to the greatest value. Trials may differ in other dimensions than the preview."
)


def tradeoff(view: View) -> Section:
    """Return the section with the plots of RSR and JSR against utility."""
    drawings = []
    for metric in ("rsr", "jsr"):
        front = front_ids(view.frame, "utility", metric)
        if not front:
            continue
        points, note = view.points(front)
        name = RATES[metric]
        bars = "" if len(points) <= MOST_BARS else " Only front, references and recommendation have bars."
        rows = take_ids(view.frame, front)
        columns = {
            "label": ("on the front", words),
            metric: (f"{name}, %", share),
            "utility": ("utility, %", share),
        }
        drawings.append(
            Drawing(
                f"plane-{metric}",
                f"{name} against utility",
                draw_plane(points, metric, front, view.advice.trial_id),
                f"Up and right is better. Bars are 95 % intervals.{bars} The dotted line is the Pareto "
                f"front: no other trial has both more {name} and more utility. {note}".rstrip(),
                numbers_of(rows, columns),
            )
        )
    missing = "" if drawings else "No completed trial of the search has both a safety rate and utility."
    return Section("tradeoff", "Trade-off between safety and utility", (), drawings, (), missing)


def lengths(view: View) -> Section:
    """Return the section with Figure 4."""
    title = "Preview length (Figure 4)"
    single = curves.preview_lengths(view.frame)
    if len(set(single["length_tokens"].to_pylist()) - {0}) < 2:
        return Section(
            "lengths", title, missing=f"Fewer than two lengths of a true preview were measured {PLAIN}."
        )
    means = curves.summary(single, "length_tokens")
    drawing = Drawing(
        "lengths",
        "Rates by previewed tokens",
        draw.preview_length(single, means),
        f"True previews of the vanilla method; “none” is without a preview, vanilla included. {SPREAD}",
        numbers_of(
            means,
            {
                "length_tokens": ("tokens", number),
                "metric": ("rate", _metric),
                **RATE,
                "trials": ("trials", number),
            },
        ),
    )
    return Section("lengths", title, (), [drawing])


def prefix(view: View) -> Section:
    """Return the section with Figure 5."""
    single = curves.prefixes(view.frame)
    if not len(single):
        missing = f"No virtual preview was measured {PLAIN}."
        return Section("prefixes", "Prefixes (Figure 5)", missing=missing)
    means = curves.summary(single, "prefix")
    most = 12
    shown = means["prefix"].unique().slice(0, most)
    note = f" {most} of {len(means['prefix'].unique())} prefixes are shown." if len(shown) == most else ""
    means = means.filter(pc.is_in(means["prefix"], shown))
    drawing = Drawing(
        "prefixes",
        "Rates by prefix",
        draw.prefix_bars(means),
        f"Virtual previews. {SPREAD}{note}",
        numbers_of(
            means,
            {"prefix": ("prefix", words), "metric": ("rate", _metric), **RATE, "trials": ("trials", number)},
        ),
    )
    return Section("prefixes", "Prefixes (Figure 5)", (), [drawing])


def kl(view: View) -> Section:
    """Return the section with Figure 3."""
    title = "Distance to the seed model by answer position (Figure 3)"
    first = [view.advice.trial_id] if view.advice.trial_id else []
    ids = curves.kl_trials(view.frame, [*first, *view.order], MOST_LINES)
    table = curves.kl_by_position(
        view.source.read("token_kl", ("trial_id", "position", "value"), ids), take_ids(view.frame, ids)
    )
    if not len(table):
        return Section("kl", title, missing="No KL divergence to the seed model was measured.")
    drawing = Drawing(
        "kl",
        "KL by position",
        draw.kl_lines(table),
        "Mean over prompts of KL(fine-tuned ‖ seed model) of the next-token distribution, with Student's "
        "95 % interval. Each method and kind of preview has one trial: the recommended one, or the best by "
        "objective.",
        numbers_of(
            table,
            {
                "label": ("trial", words),
                "position": ("position", number),
                "value": ("nats", number),
                "low": ("low", number),
                "high": ("high", number),
                "n": ("n", number),
            },
        ),
    )
    return Section("kl", title, (), [drawing])


def jsr(view: View) -> Section:
    """Return the section with JSR(k)."""
    title = "Safety by length of the attack, JSR(k)"
    table = _jsr(view)
    if not len(table):
        missing = (
            "JSR was not measured."
            if not _any(view, "jsr")
            else (
                "JSR was measured with only one length of the harmful start, so there is no curve; the value "
                "is in Table 1."
            )
        )
        return Section("jsr", title, missing=missing)
    drawing = Drawing(
        "jsr",
        "JSR by tokens of the harmful start",
        draw.jsr_lines(table),
        "Share of safe answers when the answer is prefilled with the first k tokens of a harmful one; k = 0 "
        f"is RSR. Wilson's 95 % intervals. {_lines(view)}".rstrip(),
        numbers_of(
            table,
            {
                "label": ("trial", words),
                "tokens": ("k", number),
                **RATE,
                "n": ("n", number),
                "unparsed": ("unparsed", number),
            },
        ),
    )
    return Section("jsr", title, (), [drawing])


def _jsr(view: View) -> pa.Table:
    ids = view.shown[:MOST_LINES]
    return curves.jsr_by_length(view.source.read("generations", RATE_COLUMNS, ids), take_ids(view.frame, ids))


def _lines(view: View) -> str:
    if view.completed <= MOST_LINES:
        return ""
    return f"{MOST_LINES} of {view.completed:,} completed trials are drawn, the first of Table 1."


def _any(view: View, column: str) -> bool:
    return bool(view.frame[column].null_count < view.frame.num_rows)


def _metric(name: str) -> str:
    return METRICS[name][0]
