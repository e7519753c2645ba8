"""Lines on training rows that were too long, from the counts in the trials' `preparation`."""

from collections.abc import Iterator, Mapping, Sequence

EFFECTS = {"cut_rows": "lost the end of their answer", "skipped_rows": "were left out"}
"""Count in `preparation` -> what happened to these rows."""


def row_notes(prepared: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """Yield a line for each effect that any trial counted, such as:

        2 to 5 of 256 training rows lost the end of their answer in 3 of 8 trainings, as they exceed
        training.max_length.

    Args:
        prepared: the counts of each trial; those that trained nothing have none.
    """
    trained = [counts for counts in prepared if "training_examples" in counts]
    for name, effect in EFFECTS.items():
        found = [(int(counts[name]), _rows(counts)) for counts in trained if counts.get(name)]
        if not found:
            continue
        rows = _span([rows for _, rows in found])
        where = "" if len(found) == len(trained) else f" in {len(found)} of {len(trained)} trainings"
        numbers = _span([count for count, _ in found])
        yield f"{numbers} of {rows} training rows {effect}{where}, as they exceed training.max_length."


def _rows(counts: Mapping[str, float]) -> int:
    return int(counts["training_examples"] + counts.get("skipped_rows", 0))


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
