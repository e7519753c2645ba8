"""Printing of a comparison: the significant differences and counts; all rows can be written to a file."""

import textwrap
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from analysis.compare import NAMES, Comparison
from analysis.compare.tests import ALPHA, KEYS
from analysis.show import show
from lookahead_ray.sanitize import visible

WIDTH = 110
MOST_ROWS = 40
RATES = ("value", "vanilla", "change")
SIDES = ("above", "below", "same", "none")


def show_comparison(made: Comparison) -> None:
    """Print overview, counts of tests, significant differences, runs side by side, seeds, and conclusions."""
    _part("Runs", made.overview)
    tested = sum(p is not None for p in made.tests["p"].to_pylist())
    _part(
        f"Paired tests against vanilla: McNemar, of scores Wilcoxon; p < {ALPHA} after Holm's correction "
        f"over all {tested:,}",
        counts(made.tests),
    )
    found = differing(made.tests)
    shown = _readable(found.slice(0, MOST_ROWS), several=len(made.overview) > 1)
    _part(
        "Those that differ, largest change first (%; gained and lost: prompts; unparsed: answers of the "
        f"trial and of vanilla without a verdict, which count as failures){_of(found)}",
        shown,
        (*RATES, "unparsed", "p_holm"),
    )
    if len(made.overview) > 1:
        runs = made.side_by_side.column_names[2:]
        sides = made.side_by_side.filter(_in_each(made.side_by_side, runs))
        _part(
            f"Side by side, what all runs have (%){_of(sides)}",
            percent(sides.slice(0, MOST_ROWS), runs),
            runs,
        )
    numbers = ("mean", "spread", "least", "most")
    repeated = made.replicated.drop_columns(["model", "task"])
    _part(
        "Over seeds (%; spread: standard deviation; above, below: seeds that differ from vanilla)"
        + _of(repeated),
        percent(repeated.slice(0, MOST_ROWS), numbers),
        numbers,
    )
    print(f"\nWhat it comes to (p < {ALPHA}; between configurations Bonferroni's correction over all pairs)")
    for line in made.sentences:
        print(textwrap.fill(visible(line), WIDTH, initial_indent="  ", subsequent_indent="    "))
    print("\nAll tests, a row each: --out FILE, or --format csv")


def counts(tests: pa.Table) -> pa.Table:
    """Return for each run and metric the number of tests, and of differences to vanilla by direction."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in tests.select(["run", "metric", "change", "differs"]).to_pylist():
        own = found.setdefault((row["run"], row["metric"]), dict.fromkeys(SIDES, 0))
        side = "above" if row["change"] > 0 else "below"
        own["none" if row["differs"] is None else side if row["differs"] else "same"] += 1
    rows = [
        {
            "run": run,
            "metric": NAMES[metric],
            "tests": own["above"] + own["below"] + own["same"],
            "above vanilla": own["above"],
            "below vanilla": own["below"],
            "indistinguishable": own["same"],
            "other prompts": own["none"],
        }
        for (run, metric), own in found.items()
    ]
    return pa.Table.from_pylist(rows)


def differing(tests: pa.Table) -> pa.Table:
    """Return the tests that are significant after correction, the largest change first."""
    kept = tests.filter(pc.fill_null(tests["differs"], False))
    return kept.take(pc.sort_indices(pc.abs(kept["change"]), sort_keys=[("", "descending")]))


def percent(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Convert the shares in these columns to percent with one decimal, as text."""
    for name in columns:
        values = [
            None if one is None else f"{100 * one:.1f}".replace("-", "−") for one in table[name].to_pylist()
        ]
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return table


def _readable(tests: pa.Table, several: bool) -> pa.Table:
    kept = [*(["run"] if several else []), *(name for name in KEYS if name in ("label", "seed")), "metric"]
    named = pa.array([NAMES[metric] for metric in tests["metric"].to_pylist()], pa.string())
    tests = tests.set_column(tests.schema.get_field_index("metric"), "metric", named)
    pairs = zip(tests["unparsed"].to_pylist(), tests["vanilla_unparsed"].to_pylist(), strict=True)
    unparsed = pa.array([f"{own}, {other}" for own, other in pairs], pa.string())
    tests = tests.set_column(tests.schema.get_field_index("unparsed"), "unparsed", unparsed)
    shown = percent(tests, RATES).select([*kept, *RATES, "gained", "lost", "n", "unparsed", "p_holm"])
    values = ["<0.001" if p < 0.001 else f"{p:.3f}" for p in shown["p_holm"].to_pylist()]
    place = shown.schema.get_field_index("p_holm")
    return shown.set_column(place, "p_holm", pa.array(values, pa.string()))


def _in_each(table: pa.Table, runs: Sequence[str]) -> pa.Array:
    rows = zip(*(table[run].to_pylist() for run in runs), strict=True)
    return pa.array([None not in row for row in rows], pa.bool_())


def _of(table: pa.Table) -> str:
    return f": {MOST_ROWS} of {len(table):,}" if len(table) > MOST_ROWS else ""


def _part(title: str, table: pa.Table, numbers: Sequence[str] = ()) -> None:
    if table.num_rows:
        print(f"\n{textwrap.fill(title, WIDTH)}")
        show(table, "table", width=WIDTH, numbers=numbers)
