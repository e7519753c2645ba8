"""Report on one or several runs as one self-contained HTML file.

source    a run's committed tables, read with column projection
frame     the trials with derived columns, and the selection of those to show
advice    the recommendation
data/     the data of each figure and table, from Arrow to Arrow
figures/  plotly figures from Arrow tables
sections  the report's parts, in reading order
page      one file from the jinja2 template, style and script
"""

from analysis.report.page import write_report

__all__ = ["write_report"]
