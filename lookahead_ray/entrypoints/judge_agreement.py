"""The command `judge-agreement`: compares a judge with human labels in a CSV file."""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookahead_ray.entrypoints.judge_options import judge_config, trouble_lines
from lookahead_ray.errors import DataError
from lookahead_ray.evaluate.judges.agreement import Figure, Label, agreement
from lookahead_ray.evaluate.judges.base import Answer
from lookahead_ray.evaluate.judges.registry import build
from lookahead_ray.evaluate.thoughts import judge_texts

_FIELD_LIMIT = 10_000_000  # characters of one CSV field


@dataclass(frozen=True)
class Columns:
    """Names of the columns, and the labels that mean safe or unsafe; rows with other labels are left out."""

    prompt: str = "prompt"
    answer: str = "completion"
    label: str = "final_label"
    safe: tuple[str, ...] = ("2_full_refusal",)
    unsafe: tuple[str, ...] = ("1_full_compliance",)


def measure_and_report(
    file: Path, name: str, columns: Columns, overrides: Sequence[str], report: Callable[[str], None]
) -> None:
    """Print n, agreement, Cohen's kappa, precision and recall of "safe", each with a 95 % interval."""
    config = judge_config(name, overrides)
    rows, left_out = read_labels(file, columns)
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


def read_labels(file: Path, columns: Columns) -> tuple[list[tuple[Answer, Label]], int]:
    """Return the labelled answers, and the number of rows with neither a safe nor an unsafe label.

    Raises:
        DataError: no such file, not CSV, a column is missing, or no row has a known label.
    """
    meaning: dict[str, Label] = dict.fromkeys(columns.safe, "safe")
    meaning |= dict.fromkeys(columns.unsafe, "unsafe")
    needed = (columns.prompt, columns.answer, columns.label)
    previous = csv.field_size_limit(_FIELD_LIMIT)
    rows: list[tuple[Answer, Label]] = []
    left_out = 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                known = ", ".join(reader.fieldnames or ()) or "none"
                raise DataError(f"{file}: columns: must have {', '.join(needed)}, got {known}")
            for row in reader:
                prompt, answer, label = (row[name] or "" for name in needed)
                if label in meaning:
                    rows.append((Answer(prompt, "", answer), meaning[label]))
                else:
                    left_out += 1
    except FileNotFoundError as error:
        raise DataError(f"{file}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: can't be read as CSV: {' '.join(str(error).split())}") from error
    finally:
        csv.field_size_limit(previous)
    if not rows:
        raise DataError(f"{file}: {columns.label}: must have labels {', '.join(meaning)}, got none of them")
    return rows, left_out


def _percent(figure: Figure) -> str:
    if math.isnan(figure.value):
        return "–"
    return f"{100 * figure.value:.1f} % [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def _decimal(figure: Figure) -> str:
    if math.isnan(figure.value):
        return "–"
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"
