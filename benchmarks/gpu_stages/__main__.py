"""One stage in its process: `python -m benchmarks.gpu_stages WORK LINES SETTINGS`."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.common import Raw
from benchmarks.gpu_stages.settings import StageSettings
from lookahead_ray.train.engine import prepare_environment


def main(work: str, lines: str, settings: str) -> None:
    """Run a stage and append each of its figures as a JSON line to the file `lines`."""
    given = json.loads(settings)
    chosen = StageSettings(**{**given, "options": tuple(given["options"])})
    on_gpu = chosen.device == "cuda"
    prepare_environment(on_gpu)
    import torch
    import torch.distributed as dist

    if not on_gpu:
        torch.set_num_threads(1)
    elif not torch.cuda.is_available():
        raise SystemExit("no GPU is visible")
    measure = find(work)
    joins = "RANK" in os.environ
    if joins:
        dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        with Path(lines).open("a", encoding="utf-8") as file:
            for line in measure(chosen):
                file.write(json.dumps(_short(line)) + "\n")
                file.flush()
    finally:
        if joins:
            dist.destroy_process_group()


def find(work: str) -> Callable[[StageSettings], Iterator[Raw]]:
    """Return the function of a stage, whose module is imported only here."""
    from benchmarks.gpu_stages import checks, generation, peers, training

    return {
        "limits": checks.limits,
        "train": training.measure,
        "trl": peers.measure,
        "generate": generation.measure,
        "release": checks.release,
        "equality": checks.equality,
        "vllm": generation.measure_vllm,
    }[work]


def _short(line: Raw) -> Raw:
    """Return the line with numbers of five significant digits."""
    return {
        name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in line.items()
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
