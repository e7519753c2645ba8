"""Why previews work, as figures: how far training moved the first answer tokens, and what it cost."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column
from rich.text import Text

from lookahead_ray.cli.report import figures_table, ordered, trial_name
from lookahead_ray.cli.text import decimal
from lookahead_ray.trial.record import TrialRecord

MOST_POSITIONS = 8
"""Answer positions that a table shows; the tables hold all that were measured."""


def print_mechanism(console: Console, records: Sequence[TrialRecord]) -> None:
    """Early-token KL of the trained models, and their FLOPs over vanilla's; nothing without KL."""
    trained = [one for one in ordered(records) if one.record.kl and one.record.role != "seed"]
    positions = min(max((len(one.record.kl) for one in trained), default=0), MOST_POSITIONS)
    if not positions:
        return
    heads = ["KL at\n1", *(f"\n{position}" for position in range(2, positions + 1)), "FLOPs"]
    table = figures_table(*(Column(head, justify="right") for head in heads))
    vanilla = next((one.record.flops for one in trained if one.record.role == "vanilla"), None)
    for one in trained:
        record = one.record
        values = [decimal(value, places=2) for value in record.kl[:positions]]
        values += ["–"] * (positions - len(values))
        table.add_row(trial_name(one), *values, _overhead(record.flops, vanilla))
    console.print()
    console.print(table)
    requests = len({(row.suite, row.prompt_id) for row in trained[0].record.token_kl})
    for line in (
        f"KL at k: KL(fine-tuned || seed) of answer token k in nats, mean over {requests} harmful requests.",
        "FLOPs: of training, and of what a method has the seed model do before; multiples of vanilla's.",
    ):
        console.print(Text(line, style="dim"))


def _overhead(flops: float | None, vanilla: float | None) -> str:
    return f"{flops / vanilla:.2f}×" if flops and vanilla else "–"
