"""Tune restarts a trial whose process died, whatever exception Ray has for it."""

import pickle
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError
from ray.tune.execution import tune_controller

from lookahead_ray.sweep.died_trials import restarting_died_trials
from lookahead_ray.trial.failure import ended_by_infrastructure, failure_message

OUT_OF_MEMORY = "6 worker(s) were killed due to the node running low on memory."


class Trial:
    """A trial's process as Ray's actor manager tracks it; keeps the errors that Tune receives."""

    def __init__(self) -> None:
        self.actor_errors: list[Exception] = []
        self.task_errors: list[Exception] = []
        self.actor_id = 1

    def _on_error(self, actor: Any, error: Exception) -> None:
        self.actor_errors.append(error)

    @property
    def task(self) -> Any:
        return SimpleNamespace(
            _tracked_actor=self, _on_error=lambda actor, error: self.task_errors.append(error)
        )


def failed(error: Exception) -> Trial:
    """Return the trial whose task ended with `error`."""
    trial = Trial()
    with restarting_died_trials():
        manager: Any = object.__new__(tune_controller.RayActorManager)
        manager._failed_actor_ids, manager._cleanup_actor = set(), lambda tracked_actor: None
        manager._actor_task_failed(trial.task, error)
    return trial


@pytest.mark.parametrize(
    "error", [OutOfMemoryError(OUT_OF_MEMORY), WorkerCrashedError(), ActorDiedError()], ids=repr
)
def test_a_process_that_died_is_an_error_of_its_trial(error: Exception) -> None:
    (found,) = failed(error).actor_errors
    kept = pickle.loads(pickle.dumps(found))  # as Tune writes it
    assert isinstance(kept, RayActorError)
    assert ended_by_infrastructure(kept)
    assert str(error) in failure_message(kept)


def test_the_memory_monitor_is_named() -> None:
    (found,) = failed(OutOfMemoryError(OUT_OF_MEMORY)).actor_errors
    assert "the machine ran out of memory" in failure_message(found)


def test_an_exception_of_the_trial_stays_one() -> None:
    trial = failed(RayTaskError("train", "traceback", ValueError("wrong")))
    assert (len(trial.actor_errors), len(trial.task_errors)) == (0, 1)


def test_ray_is_left_as_it_was() -> None:
    before = tune_controller.RayActorManager
    with restarting_died_trials():
        assert tune_controller.RayActorManager is not before
    assert tune_controller.RayActorManager is before
