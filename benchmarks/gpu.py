"""All figures of one GPU in ten minutes, as JSON lines: `python -m benchmarks.gpu [--dry-run]`.

The most wanted figures come first. Each stage is a process with its own timeout, so that one that fails or
hangs costs no other; what it has printed until then is kept. Models have random weights, made on the device,
and rows the lengths of GSM8K's, so neither weights nor a tokenizer are needed. With `--dry-run` all stages
run on the CPU with tiny models, to test them; the figures are meaningless.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from benchmarks.common import Raw
from benchmarks.gpu_stages.settings import StageSettings
from benchmarks.gpu_stages.summary import summarise
from benchmarks.machine import CHECKOUT, git, versions
from benchmarks.processes import environments

POLL_S = 0.1
GROUPED = ("train", "release", "equality")  # DeepSpeed needs a group of processes
ALL_S = 560  # of a lease of ten minutes
LEAST_S = 15  # below which no stage is started


@dataclass(frozen=True, slots=True)
class Stage:
    """One process: `work` names a function in `gpu_stages.__main__`."""

    name: str
    work: str
    timeout_s: int
    model: str = "7b_half"
    options: tuple[str, ...] = ()


STAGES = (
    Stage("limits", "limits", 45),
    Stage("train_7b_width", "train", 100),
    Stage("train_7b_width_trl", "trl", 70, options=("best",)),
    Stage("generate_7b", "generate", 130, "7b"),
    Stage("train_7b", "train", 100, "7b", ("packed_4096",)),
    Stage("train_7b_width_trl_defaults", "trl", 60, options=("defaults",)),
    Stage("release", "release", 45, "1b"),
    Stage("equality", "equality", 60, "135m"),
    Stage("train_135m", "train", 60, "135m"),
    Stage("train_135m_trl", "trl", 50, "135m", ("best",)),
    Stage("generate_135m", "generate", 80, "135m"),
    Stage("train_7b_width_trl_compiled", "trl", 120, options=("compiled",)),
    Stage("train_135m_trl_defaults", "trl", 50, "135m", ("defaults",)),
    Stage("train_7b_width_trl_flash", "trl", 70, options=("flash",)),
    Stage("generate_7b_vllm", "vllm", 150, "7b"),
)
"""In order; later ones are left out when time runs out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages and print their lines, to the file `--out` too; return 0 if no stage failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument("--only", default="", metavar="STAGES", help=", ".join(each.name for each in STAGES))
    parser.add_argument("--seconds", type=float, default=ALL_S, help="of all stages; default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("gpu.jsonl"), help="file for the lines")
    chosen = parser.parse_args(arguments)
    wanted = [name for name in chosen.only.split(",") if name]
    if unknown := set(wanted) - {each.name for each in STAGES}:
        parser.error(f"unknown stages: {', '.join(sorted(unknown))}")
    stages = [each for each in STAGES if not wanted or each.name in wanted]
    lines: list[Raw] = []
    with chosen.out.open("w", encoding="utf-8") as file:
        for line in run(stages, dry=chosen.dry_run, seconds=chosen.seconds):
            lines.append(line)
            _write(line, file)
        for line in summarise(lines):
            _write(line, file)
    return int(any("error" in line for line in lines))


def run(stages: Sequence[Stage], *, dry: bool, seconds: float) -> Iterator[Raw]:
    """Yield the lines of the versions and of each stage, which names its stage."""
    ends = time.monotonic() + seconds
    device = "cpu" if dry else "cuda"
    yield {"stage": "versions", **versions(), "commit": git()["commit"], "dry_run": dry}
    limits: Raw = {}
    done: set[tuple[str, tuple[str, ...]]] = set()
    for stage in stages:
        kind = stage.work, stage.options
        if dry and kind in done:
            yield {"stage": stage.name, "skipped": "it runs the same code as an earlier stage"}
            continue
        done.add(kind)
        left = ends - time.monotonic()
        if left < LEAST_S:
            yield {"stage": stage.name, "skipped": "no time is left"}
            continue
        settings = StageSettings(
            model="tiny" if dry else stage.model,
            device=device,
            options=stage.options,
            peak_flops=limits.get("bf16_flops_per_second"),
            bytes_per_second=limits.get("copied_bytes_per_second"),
        )
        for line in _run_stage(stage, settings, left if dry else min(left, stage.timeout_s)):
            limits |= line if stage.work == "limits" else {}
            yield {"stage": stage.name, "model": settings.model, **line}


def _run_stage(stage: Stage, settings: StageSettings, timeout_s: float) -> Iterator[Raw]:
    """Yield the lines that a stage writes to a file, as they come; then one with its time or its error."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lookahead-ray-gpu-") as scratch:
        log, answer = Path(scratch, "log"), Path(scratch, "lines.jsonl")
        answer.touch()
        command = [sys.executable, "-m", "benchmarks.gpu_stages", stage.work, str(answer)]
        (environment,) = environments(int(stage.work in GROUPED), None, settings.device)
        if settings.tiny:
            environment["TORCH_COMPILE_DISABLE"] = "1"  # it takes a minute on CPUs
        with log.open("w") as stream, answer.open(encoding="utf-8") as lines:
            process = subprocess.Popen(  # noqa: S603  # our own module
                [*command, json.dumps(asdict(settings))],
                cwd=CHECKOUT,
                env=environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
            try:
                while process.poll() is None and time.monotonic() - start < timeout_s:
                    yield from _new_lines(lines)
                    time.sleep(POLL_S)
            finally:
                late = process.poll() is None
                process.kill()
                code = process.wait()
            yield from _new_lines(lines)
        spent = {"seconds_of_stage": round(time.monotonic() - start, 1)}
        if late or code:
            problem = f"no end after {timeout_s:.0f} s" if late else f"ended with code {code}"
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
            yield {"error": problem, "log": tail, **spent}
        else:
            yield spent


def _new_lines(lines: TextIO) -> Iterator[Raw]:
    """Yield the complete lines that were added to a file that a stage writes line by line."""
    while line := lines.readline():
        while not line.endswith("\n"):
            time.sleep(POLL_S)
            line += lines.readline()
        yield json.loads(line)


def _write(line: dict[str, Any], file: TextIO) -> None:
    text = json.dumps(line)
    print(text, flush=True)
    print(text, file=file, flush=True)


if __name__ == "__main__":
    sys.exit(main())
