"""What libraries log and print goes to a file, so that a terminal shows only what this program says."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

STDERR = 2
LOUD = ("ray", "ray.tune", "ray.train", "ray.data", "optuna", "transformers", "datasets")
"""Loggers that would otherwise write to the terminal by handlers of their own."""


@contextmanager
def into(log: Path) -> Iterator[None]:
    """Append log records, warnings and all that is printed to `log` for the duration.

    Whoever wants to reach the terminal must hold its stream from before. The file stays open: libraries that
    were imported meanwhile keep writing to it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = log.open("a", buffering=1, encoding="utf-8", errors="replace")
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
