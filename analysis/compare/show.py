"""A comparison on a terminal."""

from collections.abc import Sequence

import pyarrow as pa

from analysis.compare import Comparison
from analysis.show import show
from lookahead_ray.text import visible


def show_comparison(made: Comparison) -> None:
    """Print the overview, the tests, the runs side by side, replication over seeds, and what it comes to."""
    _part("Runs", made.overview)
    _part("Against vanilla, on the same prompts (%; unparsed answers count as failures)", _tests(made.tests))
    if len(made.overview) > 1:
        runs = made.side_by_side.column_names[2:]
        _part("Side by side (%)", percent(made.side_by_side, runs))
    _part(
        "Over seeds (%; spread is the standard deviation)",
        percent(made.replicated, ("mean", "spread", "least", "most")),
    )
    tested = sum(p is not None for p in made.tests["p"].to_pylist())
    print(
        f"\nWhat it comes to (p < 0.05; against vanilla Holm's correction over all {tested} tests, "
        "between configurations Bonferroni's over all pairs)"
    )
    for line in made.sentences:
        print(f"  {visible(line)}")


def percent(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Shares in these columns as percent with one decimal, as text."""
    for name in columns:
        values = [
            None if one is None else f"{100 * one:.1f}".replace("-", "−") for one in table[name].to_pylist()
        ]
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return table


def _tests(table: pa.Table) -> pa.Table:
    shown = percent(table, ("value", "vanilla", "change")).drop_columns(
        ["model", "task", "configuration", "trial_id"]
    )
    for name in ("p", "p_holm"):
        values = [
            None if p is None else "<0.001" if p < 0.001 else f"{p:.3f}" for p in shown[name].to_pylist()
        ]
        shown = shown.set_column(shown.schema.get_field_index(name), name, pa.array(values, pa.string()))
    told = [None if one is None else "yes" if one else "no" for one in shown["differs"].to_pylist()]
    return shown.set_column(shown.schema.get_field_index("differs"), "differs", pa.array(told, pa.string()))


def _part(title: str, table: pa.Table) -> None:
    if table.num_rows:
        print(f"\n{title}")
        show(table, "table")
