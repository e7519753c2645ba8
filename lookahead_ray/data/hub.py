"""Rows of Hugging Face hub data sets, from the hub or its local cache."""

from dataclasses import dataclass

from lookahead_ray.data.rows import Row, quote
from lookahead_ray.errors import DataError, HubDataError


@dataclass(frozen=True, slots=True)
class HubSplit:
    """One split of a hub data set; `otherwise` is the message's advice if it can't be read."""

    name: str
    split: str
    config: str | None = None
    revision: str | None = None
    otherwise: str = "or set path to a local file"

    def __str__(self) -> str:
        return "/".join(filter(None, [self.name, self.config, self.split]))


def read_hub(source: HubSplit) -> list[Row]:
    """Load all rows of a split, in stored order.

    Raises:
        HubDataError: the hub can't be reached and there is no cached copy, or the data set is gated or has no
            such split; the message is one line with advice.
        DataError: the split has no rows.
    """
    import datasets  # type: ignore[import-untyped,unused-ignore]  # slow, and most runs never need it

    try:
        rows = datasets.load_dataset(source.name, source.config, split=source.split, revision=source.revision)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        rule = f"must be on the hub or in its local cache ({source.otherwise})"
        raise HubDataError(f"{source}: path: {rule}, got {quote(str(error))}") from error
    found = [Row(f"{source}: row {number}", row) for number, row in enumerate(rows, 1)]
    if not found:
        raise DataError(f"{source}: path: must hold at least one row, got none")
    return found
