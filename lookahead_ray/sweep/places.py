"""Files about a run that are no tables: logs and pictures."""

import hashlib
from pathlib import Path

from lookahead_ray.remote import is_url


def beside(run: str, file: str, name: str) -> Path:
    """Where a file about a run goes that is written on this machine, not through the store: into the run's
    directory, or under `runs/` here, with `name` and a part of the URL's hash in front,
    where the run is elsewhere."""
    if not is_url(run):
        return Path(run) / file
    which = hashlib.sha256(run.rstrip("/").encode()).hexdigest()[:6]  # two of one name may run at once
    return Path("runs", f"{name}-{which}-{file}")
