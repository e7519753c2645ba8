"""One alignment under way: measure, make the rows, train, write, measure again."""

import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import torch

from lookahead_ray import log_capture
from lookahead_ray.align.checkpoints import AlignmentCheckpoints
from lookahead_ray.align.provenance import Provenance
from lookahead_ray.align.run import (
    AlignmentData,
    aligned_answer_loss,
    prepare_data,
    train_adapter,
    write_merged,
)
from lookahead_ray.config.align import COMMAND, AlignConfig
from lookahead_ray.config.load import content_hash
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.entrypoints.model_directory import NewDirectory
from lookahead_ray.errors import StoreError
from lookahead_ray.store import Store, trial_ids
from lookahead_ray.store import open as open_run
from lookahead_ray.sweep.evaluate_model import evaluate_model
from lookahead_ray.sweep.run_files import local_run_file
from lookahead_ray.train.engine import prepare_environment
from lookahead_ray.train.process_group import single_process_group
from lookahead_ray.train.step import Step
from lookahead_ray.trial.lines import ProgressLines
from lookahead_ray.trial.out_of_memory import run_in_memory
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.reporter import ProgressReporter

BEFORE, AFTER = "before", "after"
"""Trial ids of the measurements; the second one is followed by the time."""

MERGED = "merged"
"""Folder of the merged model in the adapter's directory."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Alignment:
    """The steps of an alignment, and what they share.

    A killed alignment leaves in its run the answers to benign requests, the measurement before, and the last
    checkpoint; the next one of the same settings uses them.

    Attributes:
        config: without `auto`.
        output: the directory that `made` is renamed to.
        merged: whether to write the merged model too.
        command: that makes the adapter again.
        store: of the run, which is locked.
        report: called with lines of progress.
    """

    config: AlignConfig
    output: Path
    merged: bool
    command: str
    store: Store
    made: NewDirectory
    report: Callable[[str], None]
    _start_s: float = field(default_factory=time.monotonic)

    def run(self) -> tuple[TrialRecord, TrialRecord]:
        """Return the measurements before and after; the adapter is then in `output`.

        Raises:
            FloatingPointError: training diverged.
            LookaheadRayError: the data or the model can't be used, or a file can't be written.
        """
        prepare_environment(on_gpu=self._on_gpu)
        reporter = ProgressReporter(ProgressLines(self.report).show)
        data = self._run(reporter, lambda: self._prepare(reporter))
        before = self._measured_before()
        with single_process_group(self._on_gpu):
            steps = self._run(reporter, lambda: self._train(data, reporter))
        provenance = Provenance(self.command, self.config, data, steps, before)
        provenance.write(self.made.path, self._seconds)
        precision, adapter = self.config.training.precision, self._adapter
        if self.merged:
            target = self.made.path / MERGED
            self._run(reporter, lambda: write_merged(adapter, precision, target, self._device, reporter))
        loss = self._run(
            reporter, lambda: aligned_answer_loss(adapter, precision, data.task_rows, self._device)
        )
        after = self._measured_after()
        provenance.write(self.made.path, self._seconds, after, loss)
        self._finish()
        self.store.commit(after)
        shutil.rmtree(self._unfinished, ignore_errors=True)
        return before, after

    def _prepare(self, reporter: ProgressReporter) -> AlignmentData:
        return prepare_data(self.config, self._device, DiskCache(self._unfinished / "answers"), reporter)

    def _train(self, data: AlignmentData, reporter: ProgressReporter) -> list[Step]:
        def say(line: str) -> None:
            reporter.report("saving", line)

        checkpoints = AlignmentCheckpoints(self._unfinished / "checkpoint", self.config, data.data_hash, say)
        return train_adapter(self.config, data, self._device, checkpoints, reporter, self.made.path)

    def _measured_before(self) -> TrialRecord:
        if BEFORE in trial_ids(self._where):
            self.report(f"{BEFORE}: already measured, in {self._where}")
            return open_run(self._where).record(BEFORE)
        record = self._measure(BEFORE, BEFORE, self.config.model)
        self.store.commit(record)
        return record

    def _measured_after(self) -> TrialRecord:
        trial_id = f"{AFTER}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
        record = self._measure(AFTER, trial_id, self._adapter)
        self.made.measured = True
        # the record names the place that the adapter is renamed to
        config = {**record.config, "model": {**record.config["model"], "path": str(self.output)}}
        return replace(record, config=config, config_hash=content_hash(config))

    def _measure(self, when: str, trial_id: str, model: ModelConfig) -> TrialRecord:
        trial = self.config.trial.model_copy(update={"model": model})

        def report(line: str) -> None:
            self.report(f"{when}: {line}")

        sweep_id = self.store.identity.sweep_id
        return evaluate_model(trial, sweep_id, trial_id, self._log, report, describes=False)

    def _run(self, reporter: ProgressReporter, step: Callable[[], Value]) -> Value:
        """Return the result of a step that computes in this process."""
        trial = self.config.trial.model_copy(update={"workers": 1, "cpus_per_worker": 1.0})
        with log_capture.into(self._log):
            # a measurement has set the number of its own threads
            torch.set_num_threads(self.config.threads or os.cpu_count() or 1)
            return run_in_memory(step, trial, lambda: reporter.progress.phase)

    def _finish(self) -> None:
        try:
            self.made.finish()
        except OSError as error:
            raise StoreError(f"--output: {self.output} cannot be made: {error.strerror}") from error

    @property
    def _adapter(self) -> ModelConfig:
        """Return the adapter as a model, before its directory is renamed."""
        return self.config.model.model_copy(update={"path": str(self.made.path), "revision": None})

    @property
    def _on_gpu(self) -> bool:
        return self.config.gpus_per_worker != 0

    @property
    def _device(self) -> torch.device:
        return torch.device("cuda", torch.cuda.current_device()) if self._on_gpu else torch.device("cpu")

    @property
    def _where(self) -> str:
        return self.store.run

    @property
    def _log(self) -> Path:
        return local_run_file(self._where, "align.log", COMMAND)

    @property
    def _unfinished(self) -> Path:
        return local_run_file(self._where, "unfinished", COMMAND)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._start_s
