"""The command `paper`: writes one table or figure of the paper from runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from analysis import configurations, scores
from analysis.measures import measures
from analysis.paper.data import figure_4, figure_5, lengths, prefixes
from analysis.paper.kl import chosen, figure_3
from analysis.paper.tables import printed_1, printed_2, table_1, table_2
from analysis.runs import Runs, open_runs
from analysis.show import TEXTS
from lookahead_ray.entrypoints.errors import print_to_stderr
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.sanitize import visible

FIGURES = ("png", "svg", "pdf")
TABLES = ("latex", "csv", "markdown")
KL_COLUMNS = ("trial_id", "suite", "prompt_id", "position", "value")


def table_text(runs: Sequence[str], number: int, form: str, trials: Sequence[str] = ()) -> str:
    """Return Table 1 or 2 as latex or markdown with rounded numbers, or as csv with all numbers in full.

    `trials` are the ids of the trials to show besides the references; by default all.
    """
    if form not in TABLES:
        raise LookaheadRayError(f"--format: must be one of {', '.join(TABLES)} for a table, got {form!r}")
    opened = open_runs(runs)
    configured = _configured(opened, trials)
    if number == 1:
        made = table_1(configured, measures(configured, _scores(opened)))
        return TEXTS[form](made if form == "csv" else printed_1(made))
    made = table_2(configured)
    if not made.num_rows:
        raise LookaheadRayError("table 2: must have trials whose FLOPs were counted, got none")
    return TEXTS[form](made if form == "csv" else printed_2(made))


def write_figure(
    runs: Sequence[str], number: int, form: str, out: Path | None, trials: Sequence[str] = ()
) -> str | None:
    """Draw Figure 3, 4 or 5 into `out`, or return its data as text (latex, csv, markdown).

    Raises `LookaheadRayError`, with one line, if the runs lack the figure's data.
    """
    if form not in (*FIGURES, *TABLES):
        formats = ", ".join((*FIGURES, *TABLES))
        raise LookaheadRayError(f"--format: must be one of {formats} for a figure, got {form!r}")
    if form in FIGURES and out is None:
        raise LookaheadRayError(f"--out: must name the file to write as {form}, got none")
    opened = open_runs(runs)
    configured = _configured(opened, trials)
    if number == 3:
        drawn = _of(configured, chosen(configured))
        kl = opened.only(drawn["trial_id"].to_pylist()).table("token_kl", KL_COLUMNS)
        made = figure_3(drawn, kl)
    else:
        series, figure = (lengths, figure_4) if number == 4 else (prefixes, figure_5)
        drawn = _of(configured, [row["configuration"] for row in series(configured)])
        found = _scores(opened.only(drawn["trial_id"].to_pylist()))
        made = figure(drawn, measures(drawn, found))
    if form in TABLES or out is None:
        return TEXTS[form](made.drop_columns(["rest"]) if "rest" in made.column_names else made)
    from analysis.paper import figures

    draw = {3: figures.draw_3, 4: figures.draw_4, 5: figures.draw_5}[number]
    if note := figures.save(draw, made, out, form):
        print_to_stderr(note)
    return None


def write_text(text: str, out: Path | None) -> None:
    """Write the text to `out`, or to stdout without characters that control a terminal."""
    if out is None:
        sys.stdout.write("".join(f"{visible(line)}\n" for line in text.split("\n")[:-1]))
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LookaheadRayError(f"{out}: cannot write: {error.strerror or error}") from error


def _configured(opened: Runs, trials: Sequence[str]) -> pa.Table:
    every = opened.table("trials", configurations.COLUMNS)
    unknown = [one for one in trials if one not in every["trial_id"].to_pylist()]
    if unknown:
        raise LookaheadRayError(f"--trial: must be a trial of the runs, got {unknown[0]!r}")
    found = configurations.configured(every)
    if not found.num_rows:
        failed = every.num_rows
        raise LookaheadRayError(f"{_names(opened)}: must have a completed trial, got none ({failed} others)")
    if not trials:
        return found
    shown = found.filter(pc.is_in(found["trial_id"], pa.array(trials, pa.string())))["configuration"]
    references = pc.is_in(found["role"], pa.array(["seed", "vanilla"]))
    return found.filter(pc.or_(references, pc.is_in(found["configuration"], shown.combine_chunks())))


def _of(configured: pa.Table, numbers: Sequence[int]) -> pa.Table:
    """Return the trials of these configurations."""
    return configured.filter(pc.is_in(configured["configuration"], pa.array(numbers, pa.int64())))


def _scores(opened: Runs) -> scores.Scores:
    return scores.Scores(opened.whole_trials("generations", scores.COLUMNS))


def _names(opened: Runs) -> str:
    return ", ".join(one.run for one in opened.runs)
