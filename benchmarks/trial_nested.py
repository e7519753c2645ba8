"""Trials run as a TorchTrainer nested in a Tune trial: each one starts its own processes."""

from lookahead_ray.trial.job import Job
from lookahead_ray.trial.trainable import TuneTrial
from lookahead_ray.trial.worker_group import WorkerGroup


class NestedTrial(TuneTrial):
    """The product's trainable without reuse of the worker group."""

    def _fitting(self, job: Job) -> WorkerGroup:
        if self._group:
            self._group.stop()
            self._group = None
        return super()._fitting(job)
