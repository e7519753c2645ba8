"""The command `judge-agreement`: compares a judge with human labels in a file."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.rows import quote
from lookahead_ray.entrypoints.judge_options import judge_config, trouble_lines
from lookahead_ray.errors import ConfigError, DataError
from lookahead_ray.evaluate.judges.agreement import Figure, Label, agreement
from lookahead_ray.evaluate.judges.base import Answer
from lookahead_ray.evaluate.judges.registry import build
from lookahead_ray.evaluate.thoughts import judge_texts

_SHOWN = 5  # labels of the file, in a message


@dataclass(frozen=True)
class Columns:
    """Names of the columns, and the labels that mean safe or unsafe; rows with other labels are left out."""

    prompt: str = "prompt"
    answer: str = "completion"
    label: str = "final_label"
    safe: tuple[str, ...] = ("2_full_refusal",)
    unsafe: tuple[str, ...] = ("1_full_compliance",)


def measure_and_report(
    file: str,
    name: str,
    columns: Columns,
    csv_format: CsvFormat,
    overrides: Sequence[str],
    report: Callable[[str], None],
) -> None:
    """Print n, agreement, Cohen's kappa, precision and recall of "safe", each with a 95 % interval."""
    config = judge_config(name, overrides)
    with collect_notes() as notes:
        rows, left_out = read_labels(file, columns, csv_format)
    for line in notes:
        report(line)
    judge = build(config)
    verdicts = [judgement.verdict for judgement in judge_texts(judge, [answer for answer, _ in rows])]
    found = agreement([(label, v) for (_, label), v in zip(rows, verdicts, strict=True)])
    report(f"answers    {found.n} ({left_out} with other labels left out), {found.unparsed} unparsed")
    report(f"agreement  {_percent(found.agreement)}")
    report(f"kappa      {_decimal(found.kappa)}")
    report(f"precision  {_percent(found.precision)}  of the answers that the judge calls safe")
    report(f"recall     {_percent(found.recall)}  of the answers that the human labels call safe")
    report("[a, b]: 95 % interval, Wilson; for kappa percentile bootstrap. Unparsed answers never agree.")
    for line in trouble_lines(judge):
        report(line)


def read_labels(
    file: str, columns: Columns, csv_format: CsvFormat | None = None
) -> tuple[list[tuple[Answer, Label]], int]:
    """Return the labelled answers, and the number of rows with neither a safe nor an unsafe label.

    White space around a label does not count.

    Raises:
        ConfigError: a label means both.
        DataError: no such file, it can't be read, a column is missing, or no row has a known label.
    """
    meaning: dict[str, Label] = dict.fromkeys(columns.safe, "safe")
    meaning |= dict.fromkeys(columns.unsafe, "unsafe")
    both = [label for label in columns.safe if label in columns.unsafe]
    if both:
        raise ConfigError(f"--safe and --unsafe: must be different labels, got {quote(both[0])} in both")
    rows: list[tuple[Answer, Label]] = []
    others: dict[str, int] = {}
    for row in RowReader(file, csv_format):
        prompt, answer, label = (
            row.text_or_number(name) for name in (columns.prompt, columns.answer, columns.label)
        )
        if label.strip() in meaning:
            rows.append((Answer(prompt, "", answer), meaning[label.strip()]))
        else:
            others[label] = others.get(label, 0) + 1
    if not rows:
        known = ", ".join(quote(label) for label in list(others)[:_SHOWN])
        more = ", …" if len(others) > _SHOWN else ""
        rule = f"must have labels {', '.join(meaning)} (--safe, --unsafe)"
        raise DataError(f"{file}: {columns.label}: {rule}, got {known}{more}")
    return rows, sum(others.values())


def _percent(figure: Figure) -> str:
    if math.isnan(figure.value):
        return "–"
    return f"{100 * figure.value:.1f} % [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def _decimal(figure: Figure) -> str:
    if math.isnan(figure.value):
        return "–"
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"
