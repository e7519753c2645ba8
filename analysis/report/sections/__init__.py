"""The report's sections in reading order: texts, figures and tables, ready for the template."""

from analysis.report.sections.blocks import Section
from analysis.report.sections.harness import harness
from analysis.report.sections.results import jsr, kl, lengths, prefix, tradeoff
from analysis.report.sections.search import coordinates, flops, history, importance
from analysis.report.sections.tables import failed, origin, table_1, table_2
from analysis.report.sections.view import View

BEFORE_ANSWERS = (
    tradeoff,
    lengths,
    prefix,
    kl,
    jsr,
    flops,
    coordinates,
    importance,
    history,
    table_1,
    table_2,
    harness,
)
AFTER_ANSWERS = (failed, origin)


def sections(view: View) -> tuple[list[Section], list[Section]]:
    """Return the sections before and after the answer browser."""
    return [make(view) for make in BEFORE_ANSWERS], [make(view) for make in AFTER_ANSWERS]
