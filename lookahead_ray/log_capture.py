"""What libraries log and print goes to a file, so that a terminal shows only what this program says."""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

STDERR = 2
LOUD = ("ray", "ray.tune", "ray.train", "ray.data", "optuna", "transformers", "datasets")
"""Loggers that would otherwise write to the terminal by handlers of their own."""


class _Log(io.FileIO):
    """Drops what can't be written: a full disk must not end what is logged."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            return len(content)


@contextmanager
def into(log: Path) -> Iterator[None]:
    """Append log records, warnings and all that is printed to `log` for the duration.

    Whoever wants to reach the terminal must hold its stream from before. The file stays open: libraries that
    were imported meanwhile keep writing to it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    raw = io.BufferedWriter(_Log(log, "a"))
    stream = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", line_buffering=True)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers, root.level = [handler], logging.INFO
    logging.captureWarnings(True)
    for name in LOUD:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    terminal = os.dup(STDERR)
    os.dup2(stream.fileno(), STDERR)  # compilers that DeepSpeed calls know nothing of Python's streams
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            yield
    finally:
        os.dup2(terminal, STDERR)
        os.close(terminal)
