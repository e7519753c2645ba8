"""Files about a run that are no tables: logs and pictures."""

from pathlib import Path


def beside(run: str, file: str, name: str) -> Path:
    """Where a file about a run goes that is written on this machine, not through the store: into the run's
    directory, or under `runs/` here, with `name` in front, where the run is elsewhere."""
    return Path("runs", f"{name}-{file}") if "://" in run else Path(run) / file
