"""Results of benchmarks as tables in a terminal."""

from rich.console import Console
from rich.table import Column, Table

from benchmarks.common import Benchmark


def print_benchmark(console: Console, benchmark: Benchmark) -> None:
    """Print the figures of all variants, then the ratios."""
    direction = "more is better" if benchmark.higher_is_better else "less is better"
    figures = Table(
        *column_heads(benchmark.name, f"median {benchmark.unit}", "min", "max", "spread", "n"),
        title=f"{benchmark.name}: {benchmark.unit}, {direction}",
        title_justify="left",
    )
    for each in benchmark.series:
        summary = each.summary
        figures.add_row(
            each.title,
            *(f"{value:.1f}" for value in (summary.median, summary.low, summary.high)),
            f"{summary.spread:.0%}",
            str(len(each.values)),
        )
    console.print()
    console.print(figures)
    if benchmark.ratios:
        console.print(ratio_table(benchmark))
    for name, value in benchmark.extra.items():
        if isinstance(value, int | float):
            console.print(f"{name.replace('_', ' ')}: {value:{'.0f' if value >= 100 else '.3g'}}")


def ratio_table(benchmark: Benchmark) -> Table:
    """Return one row per ratio, with its median and extremes over the repetitions."""
    titles = {each.variant: each.title for each in benchmark.series}
    table = Table(*column_heads("ours", "ratio", "min", "max"), title="ours ÷ peer", title_justify="left")
    table.add_column("peer")
    for ratio in benchmark.ratios:
        summary = ratio.summary
        table.add_row(
            titles[ratio.ours],
            *(f"{value:.2f}" for value in (summary.median, summary.low, summary.high)),
            titles[ratio.peer],
        )
    return table


def column_heads(first: str, *others: str) -> list[Column]:
    """Return the columns of a table of numbers: the first one left-aligned, all others right-aligned."""
    return [Column(first), *(Column(name, justify="right") for name in others)]
