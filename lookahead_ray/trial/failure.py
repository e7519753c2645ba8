"""Failures of trials, classified for restarts: a process that died may survive the next attempt, while an
exception from the trial's code would recur. `infrastructure` classifies exceptions in the rank that raised.
"""

from lookahead_ray.errors import InfrastructureError, TrialError

LOST_PEER = ("Connection closed by peer", "Connection reset by peer", "Connection refused")
"""Parts of gloo's error messages on the ranks that survive a dead one."""


OUT_OF_MEMORY = ("due to the node running low on memory", "OUT_OF_MEMORY")
"""Parts of Ray's messages about processes that its memory monitor killed. All other deaths mention "OOM" too,
as one possible cause."""
LESS_MEMORY = (
    "lower search.max_concurrent, workers, training.micro_batch_size or evaluation.batch_size, "
    "or use a machine with more memory"
)


class ProcessDiedError(InfrastructureError):
    """A process of the trial was killed, or its machine was lost."""


def failure(error: BaseException | None) -> TrialError:
    """Return the error that ended a worker group, a `ProcessDiedError` or another `TrialError`.

    `error` is the exception of Ray Train; None: its processes ended without an exception.
    """
    from ray.train.v2.api.exceptions import WorkerGroupError

    kind: type[TrialError] = ProcessDiedError if process_died(error) else TrialError
    if error is None:
        return kind("its processes ended without an error message")
    if isinstance(error, WorkerGroupError) and error.worker_failures:
        failures = error.worker_failures
        rank = min(failures, key=lambda rank: (not _rank_died(failures[rank]), rank))
        if kind is TrialError and isinstance(_raised(failures[rank]), InfrastructureError):
            kind = InfrastructureError
        return kind(f"rank {rank}: {_words(failures[rank])}")
    return kind(_words(error))


def process_died(error: BaseException | None) -> bool:
    """Return whether `error` means that a process died or could not start, rather than raised an exception.

    When a rank dies, other ranks raise because their connection to it is closed; the dead rank decides.
    """
    from ray.exceptions import RayError, RayTaskError
    from ray.train.v2.api.exceptions import ControllerError, PreemptionError, WorkerGroupError

    match error:
        case None | ControllerError() | PreemptionError():
            return True
        case WorkerGroupError():
            return any(_rank_died(cause) for cause in error.worker_failures.values())
        case RayTaskError():
            return process_died(error.cause)
        case _:
            return isinstance(error, RayError)


def failure_message(error: BaseException | None) -> str:
    """Return the reason why a trial ended; `error` is the exception that Tune has of it."""
    cause = _cause(error)
    if cause is None:
        return "the trial's process died"
    return str(cause) if isinstance(cause, TrialError) else _words(cause)


def ended_by_infrastructure(error: BaseException | None) -> bool:
    """Return whether the exception that Tune has of an ended trial is one of the infrastructure."""
    cause = _cause(error)
    return process_died(error) or isinstance(cause, InfrastructureError)


def _cause(error: BaseException | None) -> BaseException | None:
    """Return what a task of Ray raised, or `error` itself if it is of another kind."""
    from ray.exceptions import RayTaskError

    return error.cause if isinstance(error, RayTaskError) else error


def _rank_died(cause: BaseException) -> bool:
    import torch.distributed as dist

    raised = _raised(cause)
    if raised is None:
        return True
    if isinstance(raised, dist.DistBackendError | dist.DistNetworkError) or process_died(raised):
        return True
    return isinstance(raised, RuntimeError) and any(phrase in str(raised) for phrase in LOST_PEER)


def _raised(cause: BaseException) -> BaseException | None:
    """Return the exception raised by a rank's own code; None if Ray Train only detected the rank's end.

    Ray Train reports what a rank raised as it is, or (`UserExceptionWithTraceback`) with its traceback.
    """
    from ray.exceptions import RayError
    from ray.train.v2._internal.exceptions import RayTrainError, UserExceptionWithTraceback

    if isinstance(cause, UserExceptionWithTraceback):
        return cause._base_exc
    return None if isinstance(cause, RayError | RayTrainError) else cause


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether Ray's memory monitor killed the process whose end is `error`."""
    from ray.exceptions import OutOfMemoryError

    seen = getattr(error, "health_check_failure", None)  # of a rank
    return (
        isinstance(error, OutOfMemoryError)
        or any(part in str(error) for part in OUT_OF_MEMORY)
        or (isinstance(seen, BaseException) and _is_out_of_memory(seen))
    )


def _words(error: BaseException) -> str:
    """Return the error in one line, followed by the traceback if a rank raised it."""
    raised = _raised(error)
    if raised is None:
        line = f"{type(error).__name__}: {error}"
        if _is_out_of_memory(error):
            return f"killed because the machine ran out of memory: {LESS_MEMORY}; {line}"
        return line
    if isinstance(raised, InfrastructureError):
        return str(raised)
    line = f"{type(raised).__name__}: {raised}"
    return line if raised is error else f"{line}\n{error}"
