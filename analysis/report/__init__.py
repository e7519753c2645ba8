"""One self-contained HTML file about one or several runs, made for reading.

source    a run's committed tables, read with column projection
frame     the trials with what the report derives of them; which of them are shown
advice    the recommendation
data/     Arrow in, Arrow out: what each figure and table shows
figures/  Arrow in, plotly figure out
sections  the report's parts, in reading order
page      jinja2 template, style and script into one file
"""

from analysis.report.page import write_report

__all__ = ["write_report"]
