"""The measuring process, started by `processes`: `python -m benchmarks.child WORKER REQUEST ANSWER`."""

import importlib
import json
import os
import sys
from pathlib import Path

WORKERS = {
    "training_ours": "benchmarks.training_ours",
    "training_peers": "benchmarks.training_peers",
    "limits": "benchmarks.limits_worker",
    "generation": "benchmarks.generation_worker",
    "trial": "benchmarks.trial_worker",
    "preview": "benchmarks.preview_worker",
    "driver": "benchmarks.driver_worker",
    "commit": "benchmarks.commit_worker",
}
"""Modules with `measure(variant, settings) -> Raw`."""


def main(worker: str, request: str, answer: str) -> None:
    """Run the measurement that the file `request` describes; rank 0 writes the file `answer`."""
    module = importlib.import_module(WORKERS[worker])
    wanted = json.loads(Path(request).read_text(encoding="utf-8"))
    raw = module.measure(wanted["variant"], wanted["settings"])
    if os.environ.get("RANK", "0") == "0":
        Path(answer).write_text(json.dumps(raw), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
