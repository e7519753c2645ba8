"""Ends of trials' processes that Tune does not take for ends of processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def restarting_died_trials() -> Iterator[None]:
    """Let Tune restart a trial for the duration whatever ended its process.

    Ray raises `RayActorError` for most ends, but `OutOfMemoryError` if its memory monitor killed the process
    while it trained. For that Tune (2.60) raises RuntimeError, which would end all trials of the sweep.
    """
    from ray.exceptions import RayActorError, RayError, RayTaskError
    from ray.tune.execution import tune_controller

    module: Any = tune_controller
    manager: Any = module.RayActorManager

    class Manager(manager):  # type: ignore[misc]  # Ray is untyped
        def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
            if isinstance(exception, RayError) and not isinstance(exception, RayTaskError | RayActorError):
                exception = RayActorError(error_msg=f"{type(exception).__name__}: {exception}")
            super()._actor_task_failed(tracked_actor_task, exception)

    module.RayActorManager = Manager
    try:
        yield
    finally:
        module.RayActorManager = manager
