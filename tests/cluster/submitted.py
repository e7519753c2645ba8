"""A sweep of a tiny model submitted with `lookahead-ray submit` to a cluster of hosts."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import psutil

from lookahead_ray import store
from lookahead_ray.train.checkpoint.local import Checkpoint, read_checkpoint
from lookahead_ray.trial.record import TrialRecord
from tests.cluster.hosts import Host
from tests.cluster.on_premise import Cluster
from tests.sweep.essence import essence
from tests.sweep.processes import SMALL
from tests.tiny import make_model

RANK = "ray::RayTrainWorker"
EXAMPLES, BATCH, EPOCHS = 64, 8, 40
STEPS_PER_EPOCH = EXAMPLES // BATCH
SETTINGS = (
    *SMALL,
    "workers=2",  # a worker of the cluster has one core, so a trial fills two
    f"task.train_examples={EXAMPLES}",
    f"training.batch_size={BATCH}",
    f"training.epochs={EPOCHS}",
)
SLOWER = 300.0  # seconds, for a sweep of two trainings on a busy machine


class Submitted:
    """One submission; several may continue the same run."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        *options: str,
        settings: Sequence[str] = (),
        url: str | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Submit a sweep with the run `shared/NAME` or `url`; the driver gets the `variables`."""
        self.cluster, self.run = cluster, cluster.shared / name
        self._asked = url or str(self.run)
        model = cluster.shared / "model"
        if not model.exists():
            make_model(model)
        words = ["submit", "quickstart", "--cluster", str(cluster.file), "--run", self._asked, *options]
        words += [word for variable in variables for word in ("--env", variable)]
        for setting in (*SETTINGS, f"model.path={model}", *settings):
            words += ["--set", setting]
        self.output = cluster.network.folder / f"{name}-{time.monotonic_ns()}.txt"
        command = [sys.executable, "-m", "lookahead_ray.cli.main", *words]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                cluster.launcher.inside(*command, **cluster.environment(cluster.launcher), **variables),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def text(self) -> str:
        """Return the output of the job and the submission so far."""
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str, times: int = 1, timeout_s: float = SLOWER) -> None:
        """Wait until `text` was printed `count` times; AssertionError with the output if it ends or takes too
        long.
        """
        deadline = time.monotonic() + timeout_s
        while self.text().count(text) < times:
            assert self.process.poll() is None, f"ended before {text!r}:\n{self.text()}"
            assert time.monotonic() < deadline, f"no {text!r} after {timeout_s:g} s:\n{self.text()}"
            time.sleep(0.1)

    def finish(self, timeout_s: float = SLOWER) -> str:
        """Wait for its end, assert that it succeeded, and return the output."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"not ended after {timeout_s:g} s:\n{self.text()}") from error
        assert code == 0, self.text()
        return self.text()

    def checkpoint(self, trial: str = "vanilla") -> Checkpoint | None:
        """Return the last checkpoint of a running trial."""
        return read_checkpoint(self.run / "checkpoints" / trial)

    def wait_for_epoch(self, epoch: int, trial: str = "vanilla") -> Checkpoint:
        """Wait for a checkpoint of this epoch or a later one."""
        deadline = time.monotonic() + SLOWER
        while (found := self.checkpoint(trial)) is None or found.epoch < epoch:
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, f"no epoch {epoch}:\n{self.text()}"
            time.sleep(0.05)
        return found

    def ranks(self) -> dict[Host, psutil.Process]:
        """Return host -> its rank, for hosts that run exactly one."""
        found = {host: host.processes(RANK) for host in self.cluster.network.hosts}
        return {host: ranks[0] for host, ranks in found.items() if len(ranks) == 1}

    def essences(self) -> dict[str, TrialRecord]:
        """Return trial id -> record without clock times, sweep and restarts; each trial once."""
        records = store.open(str(self.run)).records()
        assert len({record.trial_id for record in records}) == len(records)
        return {record.trial_id: essence(record) for record in records}

    def kill_driver(self) -> int:
        """Kill the driver on the head with SIGKILL; return the number of processes."""
        found = [process for process in self.cluster.head.processes() if self._drives(process)]
        for process in found:
            process.kill()
        return len(found)

    def _drives(self, process: psutil.Process) -> bool:
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            return False
        return "lookahead_ray.cli.main" in words and "sweep" in words and self._asked in words

    def close(self) -> None:
        """End the submission, and the job if it still runs."""
        self.kill_driver()
        if self.process.poll() is None:
            for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
                process.kill()
            self.process.wait(10)


def expected_steps(run: Path) -> bool:
    """Return whether each trained trial has every optimiser step once, in order."""
    for record in store.open(str(run)).records():
        steps = [step.step for step in record.steps]
        if steps != list(range(1, (EPOCHS * STEPS_PER_EPOCH if steps else 0) + 1)):
            return False
    return True
