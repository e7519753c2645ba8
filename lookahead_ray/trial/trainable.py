"""One trial as Ray Tune sees it: a function trainable that runs its job on a worker group."""

from typing import Any

import ray
from ray import tune
from ray.tune.trainable import FunctionTrainable

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import InfrastructureError, TrialError
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.trial.failure import ProcessDiedError
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.scaling_policy import Placement, place_ranks, rank_capacity
from lookahead_ray.trial.stop_decisions import wait_for
from lookahead_ray.trial.worker_group import MEASUREMENT, SIGNAL, WorkerGroup

FAILURE, OF_INFRASTRUCTURE = "failure", "failure_of_infrastructure"
"""Keys of a failed trial: its error, and whether it is one of the infrastructure; a group's keys are in
`worker_group`."""


class TuneTrial(FunctionTrainable):
    """A trainable that runs `config["job"]` until it ends or `config["decisions"]` stops it.

    Tune reuses the actor for later trials, and with it the worker group.
    """

    _group: WorkerGroup | None = None

    def _trainable_func(self, config: dict[str, Any]) -> None:
        job: Job = config["job"]

        def decide(signal: Signal) -> bool:
            tune.report({SIGNAL: signal})
            return wait_for(config["decisions"], job.trial_id, signal.epoch)

        try:
            tune.report({MEASUREMENT: self._fitting(job).run(job, tune.report, decide)})
        except ProcessDiedError:
            raise  # Tune restarts the trial in a new process
        except TrialError as error:
            tune.report({FAILURE: str(error), OF_INFRASTRUCTURE: isinstance(error, InfrastructureError)})
        tune.report({tune.result.RESULT_DUPLICATE: True})  # signals the end, as Tune's own wrapper does

    def _fitting(self, job: Job) -> WorkerGroup:
        config = TrialConfig.model_validate(job.config)
        if self._group and not (self._group.alive and self._still_fits(config)):
            self._group.stop()
            self._group = None
        if self._group is None:
            self._group = WorkerGroup(config, self._place(config, job))
        return self._group

    def _place(self, config: TrialConfig, job: Job) -> Placement | None:
        """Wait for machines and return where the group starts; at once where there is only this machine."""
        alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]  # Ray lacks it
        if len(alive) == 1 and rank_capacity(config, alive) >= config.resources.workers:
            return None
        return place_ranks(config, job.elastic, lambda: _room(config))

    def _still_fits(self, config: TrialConfig) -> bool:
        """Return whether the group has the configured shape, or a smaller one where no more ranks fit."""
        assert self._group
        workers, configured = self._group.shape.workers, config.resources
        if self._group.shape != configured._replace(workers=workers):
            return False
        return workers == configured.workers or _room(config) <= workers < configured.workers

    def cleanup(self) -> None:
        """Stop the worker group; Tune calls this before it ends the actor."""
        if self._group:
            self._group.stop()
        super().cleanup()  # type: ignore[no-untyped-call]  # Ray lacks its annotation


def _room(config: TrialConfig) -> int:
    return rank_capacity(config, ray.nodes())  # type: ignore[no-untyped-call]  # Ray lacks its annotation
