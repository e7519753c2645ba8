"""Rows of Hugging Face hub data sets, from the hub, its local cache or a local copy."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookahead_ray.data.rows import Row, quote
from lookahead_ray.errors import DataError, HubDataError

MOST_NAMED = 20
SCRIPT = "scripts are no longer supported"  # in the error of `datasets`
MEDIA = ("Audio", "Image", "Video", "Pdf", "Nifti")
"""Features of `datasets` that are decoded when a row is read, whether or not anything uses them."""

SAVED = ("dataset_dict.json", "state.json")
"""Files of a data set that `save_to_disk` wrote."""


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
        HubDataError: the hub can't be reached and there is no cached copy, or the data set is gated; the
            message is one line with advice.
        DataError: there is no such configuration or split, which are listed; the data set needs code of its
            own; a local copy can't be read; or the split has no rows.
    """
    import datasets  # type: ignore[import-untyped,unused-ignore]  # slow, and most runs never need it

    if any(Path(source.name, file).is_file() for file in SAVED):
        rows = _read_saved(source)
    else:
        try:
            rows = datasets.load_dataset(
                source.name, source.config, split=source.split, revision=source.revision
            )
        except RuntimeError as error:
            if SCRIPT not in str(error):
                raise
            raise _needs_code(source, str(error)) from error
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise _refusal(source, error) from error
    found = [Row(f"{source}: row {number}", row) for number, row in enumerate(_without_media(rows), 1)]
    if not found:
        raise DataError(f"{source}: path: must hold at least one row, got none")
    return found


def _without_media(rows: Any) -> Any:
    """Return the rows with images, sound and videos left as bytes: to decode them takes further packages."""
    for name, feature in getattr(rows, "features", {}).items():
        if type(feature).__name__ in MEDIA:
            rows = rows.cast_column(name, type(feature)(decode=False))
    return rows


def _read_saved(source: HubSplit) -> Any:
    """Return the rows of a split that `save_to_disk` wrote; a single split has any name."""
    import datasets

    try:
        found = datasets.load_from_disk(source.name)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{source.name}: can't be read, got {quote(str(error), limit=200)}") from error
    if not isinstance(found, datasets.DatasetDict):
        return found
    if source.split not in found:
        raise _no_split(source, list(found))
    return found[source.split]


def _refusal(source: HubSplit, error: Exception) -> DataError:
    """Return the error for a data set that is not loaded: what it has instead, if that is the reason."""
    configs = _configs(source)
    if configs and source.config not in configs and (source.config or len(configs) > 1):
        got = "null" if source.config is None else repr(source.config)
        return DataError(f"{source.name}: hub_config: must be one of {_listed(configs)}, got {got}")
    splits = _splits(source)
    if splits and source.split.partition("[")[0] not in splits and "+" not in source.split:
        return _no_split(source, splits)
    line = " ".join(str(error).split())
    if Path(source.name).exists():
        return DataError(f"{source}: path: must be a data set that `datasets` can load, got {line[:300]!r}")
    rule = f"must be on the hub or in its local cache ({source.otherwise})"
    return HubDataError(f"{source}: path: {rule}, got {quote(line)}")


def _no_split(source: HubSplit, splits: Iterable[str]) -> DataError:
    where = f"{source.name}, {source.config}" if source.config else source.name
    rule = f"train_split and test_split: must be one of {_listed(splits)}"
    return DataError(f"{where}: {rule}, got {source.split!r}")


def _needs_code(source: HubSplit, error: str) -> DataError:
    script = error.rpartition("found ")[2] or "a loading script"
    return DataError(
        f"{source.name}: needs Python code of its own ({script}), which is never run: use a copy of its "
        "rows in Parquet, JSON or CSV (on the hub often in revision refs/convert/parquet), or set path to "
        "a local file"
    )


def _configs(source: HubSplit) -> list[str]:
    """Return the data set's configurations; none if they can't be found."""
    import datasets

    try:
        return list(datasets.get_dataset_config_names(source.name, revision=source.revision))
    except Exception:  # whatever it is, the error of loading is the one to report
        return []


def _splits(source: HubSplit) -> list[str]:
    import datasets

    try:
        return list(datasets.get_dataset_split_names(source.name, source.config, revision=source.revision))
    except Exception:  # as above
        return []


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"
