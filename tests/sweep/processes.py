"""Whole sweeps as a user starts them, each as a process, and the processes that remain."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import psutil

MARK = "LOOKAHEAD_RAY_TEST_MARK"
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's processes that end a minute after a killed driver, see `SweepProcess.wait_until_gone`."""

SMALL = (
    "task.train_examples=16",
    "task.test_examples=4",
    "safety.harmful_prompts=10",
    "safety.benign_prompts=10",
    "evaluation.safety_new_tokens=4",
    "evaluation.task_new_tokens=4",
    "training.batch_size=8",
    "training.micro_batch_size=2",
    "training.epochs=1",
    "training.precision=fp32",
    "search.trials=1",
    "merge={share: 1.0}",
    "objective={name: weighted, safety_weight: 0.5}",
)


class SweepProcess:
    """`lookahead-ray sweep quickstart` on a tiny model; a variable marks all that it starts."""

    def __init__(
        self,
        model: Path,
        run: Path | str,
        settings: Sequence[str] = (),
        options: Sequence[str] = (),
        output: Path | None = None,
        directory: Path | None = None,
        variables: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """Start the sweep in `directory`; its output goes to `output`, by default a file next to `run`.

        Args:
            variables: further environment variables.
            prefix: a command that replaces itself by the sweep, as `env` does.
        """
        self.mark = uuid4().hex
        self.output = output or Path(run).parent / f"{Path(run).name}-{self.mark[:6]}.txt"
        words = [
            *prefix,
            sys.executable,
            "-m",
            "lookahead_ray.cli.main",
            "sweep",
            "quickstart",
            "--run",
            str(run),
            *options,
        ]
        for setting in (*SMALL, f"model.path={model}", *settings):
            words += ["--set", setting]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                words,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**os.environ, **(variables or {}), MARK: self.mark, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def text(self) -> str:
        """Return the output so far."""
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str, timeout_s: float = 240) -> None:
        """Wait until `text` was printed; AssertionError with the output if it ends or takes too long."""
        deadline = time.monotonic() + timeout_s
        while text not in self.text():
            assert self.process.poll() is None, f"ended before {text!r}:\n{self.text()}"
            assert time.monotonic() < deadline, f"no {text!r} after {timeout_s} s:\n{self.text()}"
            time.sleep(0.2)

    def finish(self, timeout_s: float = 400) -> str:
        """Wait for the end; return the output, after asserting exit code 0."""
        code = self.process.wait(timeout_s)
        assert code == 0, self.text()
        return self.text()

    def left(self) -> list[psutil.Process]:
        """Return the living processes that this sweep started, directly or not, without the driver."""
        return [process for process in _marked(self.mark) if process.pid != self.process.pid]

    def named(self, title: str, timeout_s: float = 120) -> list[psutil.Process]:
        """Wait for and return its living processes whose command line begins with `title`."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = [process for process in self.left() if _title(process).startswith(title)]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def only(self, title: str) -> psutil.Process:
        """Wait until one living process has a command line that begins with `title`, and return it."""
        deadline = time.monotonic() + 30
        while len(found := self.named(title)) != 1:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return found[0]

    def wait_until_gone(self, timeout_s: float = 150, besides: tuple[str, ...] = ()) -> None:
        """Assert that no process of the sweep is alive after `timeout_s`.

        Ray's agents of a killed driver try to reach its control service for a minute before they end.
        """
        deadline = time.monotonic() + timeout_s
        while (left := self._left_besides(besides)) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not left, [_title(process) for process in left]

    def _left_besides(self, titles: tuple[str, ...]) -> list[psutil.Process]:
        return [process for process in self.left() if not titles or not _title(process).startswith(titles)]

    def clean_up(self) -> None:
        """Kill all remaining processes."""
        for process in [*self.left(), *([] if self.process.poll() is not None else [self.process])]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait(10)


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
