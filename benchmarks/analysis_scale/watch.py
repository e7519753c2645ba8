"""Time, processor time and peak memory of a command and its child processes."""

import os
import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.common import BenchmarkError, Raw
from benchmarks.machine import CHECKOUT

POLL_S = 0.05
TIMEOUT_S = 1800.0


def watch(command: Sequence[str], log: Path) -> Raw:
    """Run `command` in the checkout; write its stdout to `log` and its stderr to `<log>.errors`.

    Returns:
        seconds, cpu_seconds and peak_rss_mib: the largest resident memory of the process and its children
        together, sampled every 50 ms; shared pages count once per process.

    Raises:
        BenchmarkError: the command failed or took longer than `TIMEOUT_S`; with the end of its stderr.
    """
    errors = log.with_name(f"{log.name}.errors")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    with log.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=out, stderr=err)  # noqa: S603
        peak = [0]
        ended = threading.Event()
        watcher = threading.Thread(target=_sample, args=(process.pid, peak, ended))
        watcher.start()
        try:
            code = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"{' '.join(command)}: took longer than {TIMEOUT_S:.0f} s") from error
        finally:
            process.kill()
            process.wait()
            ended.set()
            watcher.join()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        said = errors.read_text(encoding="utf-8", errors="replace")[-1000:]
        raise BenchmarkError(f"{' '.join(command)}: ended with code {code}: {said}")
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_rss_mib": peak[0] / 2**20}


def _sample(pid: int, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(POLL_S):
        peak[0] = max(peak[0], _held(pid))


def _held(pid: int) -> int:
    total = 0
    try:
        family = psutil.Process(pid)
        for one in (family, *family.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.Error:  # the process has ended
        pass
    return total
