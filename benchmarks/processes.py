"""New processes for every measurement, without warm caches, threads or patches of another variant."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import BenchmarkError, Raw
from benchmarks.machine import CHECKOUT

TIMEOUT_S = 3600.0
POLL_S = 0.1
LOG_LINES = 15  # of a failed process, in the message
CPU_ONLY = {
    "CUDA_VISIBLE_DEVICES": "",
    "ACCELERATE_USE_CPU": "true",
    "DS_ACCELERATOR": "cpu",
}
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "WANDB_MODE": "disabled",
}
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def measure(
    worker: str,
    variant: str,
    settings: Mapping[str, Any],
    log: Path,
    *,
    ranks: int = 0,
    threads: int | None,
    device: str = "cpu",
) -> Raw:
    """Run `benchmarks.child` for `variant` and return the answer of rank 0.

    Args:
        worker: a key of `child.WORKERS`.
        ranks: number of processes with the variables of torch.distributed; 0 is one process without them.
        threads: OMP_NUM_THREADS of each process; None leaves it unset.
        log: file for the output of the processes.
        device: `cpu` hides GPUs; `cuda` doesn't.

    Raises:
        BenchmarkError: a process failed or took longer than `TIMEOUT_S`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lookahead-ray-bench-") as scratch, log.open("w") as stream:
        request, answer = Path(scratch, "request.json"), Path(scratch, "answer.json")
        request.write_text(json.dumps({"variant": variant, "settings": dict(settings)}), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.child", worker, str(request), str(answer)]
        started = [
            subprocess.Popen(  # noqa: S603  # our own module
                command, cwd=CHECKOUT, env=environment, stdout=stream, stderr=subprocess.STDOUT
            )
            for environment in environments(ranks, threads, device)
        ]
        try:
            problem = _wait(started)
        finally:
            _end(started)
        if problem is None and not answer.is_file():
            problem = "gave no answer"
        if problem is not None:
            raise BenchmarkError(f"{worker}, {variant}: {problem}; the end of {log}:\n{_tail(log)}")
        result: Raw = json.loads(answer.read_text(encoding="utf-8"))
        return result


def environments(ranks: int, threads: int | None, device: str = "cpu") -> list[dict[str, str]]:
    """Return the environment variables of each process to start."""
    base = {name: value for name, value in os.environ.items() if name not in RANK_VARIABLES}
    base |= OFFLINE | (CPU_ONLY if device == "cpu" else {})
    base.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        base["OMP_NUM_THREADS"] = str(threads)
    if not ranks:
        return [base]
    group = {
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    return [base | group | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]


def _wait(started: Sequence["subprocess.Popen[bytes]"]) -> str | None:
    """Wait for all processes; return None if all succeeded, else the first problem."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        codes = [process.poll() for process in started]
        failed = [f"process {rank} ended with code {code}" for rank, code in enumerate(codes) if code]
        if failed:
            return failed[0]
        if None not in codes:
            return None
        time.sleep(POLL_S)
    return f"took longer than {TIMEOUT_S:.0f} s"


def _end(started: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
