"""The command `preview`: builds a configuration from options, and shows progress on a long file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from lookahead_ray.config.base import Fidelity
from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.preview import TruePreview, VirtualPreview
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.streaming_json import JsonFormat
from lookahead_ray.errors import ConfigError
from lookahead_ray.presentation.format import duration
from lookahead_ray.preview.rewrite_file import Fields, RowProgress, rewrite
from lookahead_ray.preview.rows import Turns
from lookahead_ray.sanitize import clean

Model = TypeVar("Model", bound=BaseModel)
OPTIONS = {"length_tokens": "--length", "path": "--tokenizer"}


def preview_file(
    source: str,
    target: Path,
    strategy: str,
    *,
    length: int | None,
    tokenizer: str | None,
    prefix: str | None,
    connector: str | None,
    protocol: Fidelity,
    fields: str | None,
    source_format: JsonFormat | None,
    target_format: JsonFormat | None,
    turns: Turns = "last",
    csv_format: CsvFormat | None = None,
) -> str:
    """Rewrite `source` into `target`; return remarks and a summary. None means an option's default.

    Raises:
        ConfigError: an option breaks a rule, or belongs to the other strategy.
        DataError, ModelError: as `rewrite` and `load_tokenizer`.
    """
    preview = _preview_config(strategy, length, tokenizer, prefix, connector, protocol)
    names = _fields(fields)
    total = RowReader(source, json_format=source_format).total_bytes  # before a tokenizer is loaded: seconds
    loaded = None
    if isinstance(preview, TruePreview) and tokenizer is not None:
        from lookahead_ray.model.load import load_tokenizer

        loaded = load_tokenizer(_validated(ModelConfig, path=tokenizer), chat=False)
    start = time.monotonic()
    with _progress(total) as report, collect_notes() as notes:
        formats = source_format, target_format
        rows = rewrite(source, target, preview, loaded, names, *formats, report, turns, csv_format)
    seconds = time.monotonic() - start
    done = f"{rows:,} rows in {duration(seconds)} ({rows / max(seconds, 1e-9):,.0f} rows/s): {target}"
    return "\n".join(clean(line) for line in (*notes, done))


def _preview_config(
    strategy: str,
    length: int | None,
    tokenizer: str | None,
    prefix: str | None,
    connector: str | None,
    protocol: Fidelity,
) -> TruePreview | VirtualPreview:
    other = {"--prefix": prefix} if strategy == "true" else {"--length": length, "--tokenizer": tokenizer}
    for option, value in other.items():
        if value is not None:
            raise ConfigError(f"{option}: must not be given with --strategy {strategy}, got {value!r}")
    given = {"connector": connector, "length_tokens": length, "prefix": prefix}
    values = {name: value for name, value in given.items() if value is not None}
    if strategy == "virtual":
        return _validated(VirtualPreview, strategy="virtual", **values)
    if tokenizer is None:
        raise ConfigError("--tokenizer: must be given with --strategy true, got nothing")
    return _validated(TruePreview, strategy="true", protocol=protocol, **values)


def _validated(model: type[Model], **values: object) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])
        option = OPTIONS.get(field, f"--{field}")
        raise ConfigError(f"{option}: {first['msg'].lower()}, got {first['input']!r}") from error


def _fields(text: str | None) -> Fields | None:
    """Parse `instruction=NAME,answer=NAME`; either part may be left out. None: the rows' layout decides."""
    if text is None:
        return None
    names: dict[str, str] = {}
    for part in text.split(","):
        role, _, name = part.partition("=")
        if role not in ("instruction", "answer") or not name or role in names:
            raise ConfigError(f"--fields: must be instruction=NAME,answer=NAME, got {text!r}")
        names[role] = name
    return Fields(**names)


@contextmanager
def _progress(total_bytes: int | None) -> Iterator[RowProgress]:
    """Show a progress bar if stderr is a terminal: rows, rows/s, remaining time estimated from bytes read."""
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[pace]:,.0f} rows/s,"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    start = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("preview", total=total_bytes, rows=0, pace=0.0)

        def report(rows: int, read_bytes: int) -> None:
            pace = rows / max(time.monotonic() - start, 1e-9)
            bar.update(task, completed=read_bytes, rows=rows, pace=pace)

        yield report
