"""The table of screened previews: the seed model's loss of the first answer tokens, lowest first."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Column
from rich.text import Text

from lookahead_ray.config.preview import NoPreview, PreviewConfig
from lookahead_ray.presentation.format import decimal, shorten_label
from lookahead_ray.presentation.trials_table import LONGEST_LABEL, new_table, print_table
from lookahead_ray.sanitize import clean
from lookahead_ray.stats.interval import Interval
from lookahead_ray.sweep.search.screening import ScreenedPreview
from lookahead_ray.trial.label import label, quoted


def print_screening(console: Console, screened: Sequence[ScreenedPreview], tokens: int) -> None:
    """Print the previews in their order, with the loss of the first `tokens` answer tokens."""
    heads = (f"first {tokens}\nas trained", "first 1\nas trained", f"first {tokens} of\nthe answer")
    table = new_table(*(Column(head, justify="right") for head in heads))
    table.columns[0].header = "preview"
    for name, each in zip(preview_labels([each.preview for each in screened]), screened, strict=True):
        cells = [_text(interval) for interval in (each.loss, each.first, each.answer)]
        style = "dim" if isinstance(each.preview, NoPreview) else ""
        table.add_row(Text(shorten_label(clean(name), LONGEST_LABEL), style=style), *cells)
    console.print()
    print_table(console, table)
    for line in (
        f"Loss of answer tokens under the seed model in nats per token, mean over {screened[0].rows} "
        "training rows; [a, b]: 95 % interval.",
        "As trained: an answer begins with the phrase of a virtual preview. Of the answer: after the phrase.",
    ):
        console.print(Text(line, style="dim"))


def preview_labels(previews: Sequence[PreviewConfig]) -> list[str]:
    """Return a label for each preview; what else distinguishes previews of the same label is appended."""
    names = [label({"preview": preview.model_dump(mode="json")}) for preview in previews]
    counts = Counter(names)
    return [
        f"{name}, {_details(preview)}" if counts[name] > 1 else name
        for name, preview in zip(names, previews, strict=True)
    ]


def _details(preview: PreviewConfig) -> str:
    if isinstance(preview, NoPreview):
        return "none"
    parts = [f"after {quoted(preview.connector)}"]
    return ", ".join([*parts, preview.protocol] if preview.strategy == "true" else parts)


def _text(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    value, low, high = (decimal(each, places=2) for each in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"
