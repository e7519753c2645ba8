"""The table on why previews work: how far training moved the first answer tokens, and its cost."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column
from rich.text import Text

from lookahead_ray.presentation.format import decimal
from lookahead_ray.presentation.trials_table import new_table, print_table, sort_trials, trial_cells
from lookahead_ray.trial.record import TrialRecord

MOST_POSITIONS = 8
"""Maximum number of answer positions in a printed table; the stored tables contain all of them."""


def print_mechanism(console: Console, records: Sequence[TrialRecord]) -> None:
    """Print early-token KL of the trained models, and their FLOPs over vanilla's; nothing without KL."""
    trained = [one for one in sort_trials(records) if one.record.kl and one.record.role != "seed"]
    positions = min(max((len(one.record.kl) for one in trained), default=0), MOST_POSITIONS)
    if not positions:
        return
    heads = ["KL at\n1", *(f"\n{position}" for position in range(2, positions + 1)), "FLOPs"]
    table = new_table(*(Column(head, justify="right") for head in heads))
    vanilla = next((one.record.flops for one in trained if one.record.role == "vanilla"), None)
    flops = {record.training: record.flops for record in records if record.flops}
    names = trial_cells(trained)
    for one in trained:
        kl = one.record.kl[:positions]
        cells = [decimal(value, places=2) for value in kl] + ["–" for _ in range(positions - len(kl))]
        table.add_row(names[one.record.trial_id], *cells, _multiple(flops.get(one.record.training), vanilla))
    console.print()
    print_table(console, table)
    requests = len({(row.suite, row.prompt_id) for row in trained[0].record.token_kl})
    for line in (
        f"KL at k: KL(fine-tuned || seed model) of answer token k in nats, mean over {requests} harmful "
        "requests.",
        "FLOPs: of training, and of the seed model's computation for a method; multiples of vanilla's.",
    ):
        console.print(Text(line, style="dim"))


def _multiple(flops: float | None, vanilla: float | None) -> str:
    return f"{flops / vanilla:.2f}×" if flops and vanilla else "–"
