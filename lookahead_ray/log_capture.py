"""Redirection of library logs and prints to a file, so that a terminal shows only this program's output."""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

STDERR = 2
LOUD = ("ray", "ray.tune", "ray.train", "ray.data", "optuna", "transformers", "datasets")
"""Loggers whose own handlers would write to the terminal."""


class _Log(io.FileIO):
    """Log file that drops output it can't write: a full disk must not stop the logged program."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            return len(content)


@contextmanager
def into(log: Path) -> Iterator[None]:
    """Append log records, warnings and all printed output to `log` inside the `with` block.

    To write to the terminal inside the block, code must use a stream that it obtained before. The file stays
    open, because libraries imported inside the block keep writing to it.
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
    os.dup2(stream.fileno(), STDERR)  # for compilers that DeepSpeed runs, which bypass Python's streams
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            yield
    finally:
        os.dup2(terminal, STDERR)
        os.close(terminal)
